"""All benchmarks on the samples, one after the other: python -m tests.benchmarks."""

from tests.benchmarks import bench_medm, bench_memory, bench_stages

for bench in (bench_medm, bench_stages, bench_memory):
    print(f"\n== {bench.__name__.rsplit('.', 1)[1]}")
    bench.main([])
