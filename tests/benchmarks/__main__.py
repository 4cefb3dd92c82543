"""All benchmarks on the samples, one after the other: python -m tests.benchmarks."""

import tests.benchmarks.bench_dataset as dataset
import tests.benchmarks.bench_flow as flow
import tests.benchmarks.bench_fresco as fresco
import tests.benchmarks.bench_medm as medm
import tests.benchmarks.bench_memory as memory
import tests.benchmarks.bench_seams as seams
import tests.benchmarks.bench_stages as stages

SAMPLE = "samples/talking.mp4"

for name, bench, words in (
    ("coding and harmonization", medm, []),
    ("FRESCO", fresco, []),
    ("flow of what is painted", flow, []),
    ("stages", stages, [SAMPLE]),
    ("seams", seams, [SAMPLE]),
    ("memory", memory, [SAMPLE]),
    ("a film on two workers", dataset, ["split", "--shot", "16", "--rounds", "1"]),
):
    print(f"\n== {name}")
    bench.main(words)
