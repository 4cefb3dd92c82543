"""What `anonymize bench` does not show, one after the other: python -m tests.benchmarks."""

import tests.benchmarks.bench_dataset as dataset
import tests.benchmarks.bench_flow as flow
import tests.benchmarks.bench_fresco as fresco
import tests.benchmarks.bench_medm as medm

for name, bench, words in (
    ("coding and harmonization", medm, []),
    ("FRESCO", fresco, []),
    ("flow of what is painted, by every mediator", flow, []),
    ("a film on two workers", dataset, ["split", "--shot", "16", "--rounds", "1"]),
):
    print(f"\n== {name}")
    bench.main(words)
