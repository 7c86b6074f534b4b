#!/usr/bin/env bash
# What to run first where a GPU is at hand, however briefly: benchmarks/gpu.sh SECONDS OUT [small]
#
# It checks each model's step on the device against the CPU, times the steps at the papers' size, and records runs of
# the papers' size for the seconds that are left; it ends by itself and leaves OUT/report.txt, OUT/steps.json and
# OUT/paper (records, to be copied into results/paper; those there are already go along, and OUT/cache holds the weights
# and the state of a run that was under way: with both, a later call goes on). It needs Python 3.11 or newer with torch,
# numpy, scipy, matplotlib, safetensors, jaxtyping, filelock, transformers, joblib, tqdm and IPython, and "timeout";
# wheels of the rest may lie in OUT/../wheels.
# "small" tries all of it on a laptop, with runs of seconds. PYTHON names the interpreter; MECHBOOK_TF32=1 is set unless
# it is given.
set -uo pipefail
if [ $# -lt 2 ] || ! [[ $1 =~ ^[0-9]+$ ]] || [[ ${3:-small} != small ]]; then
  echo "usage: benchmarks/gpu.sh SECONDS OUT [small]" >&2
  exit 2
fi
seconds=$1 size=${3:-paper}
mkdir -p "$2" && out=$(cd "$2" && pwd) || exit 1
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
export MECHBOOK_TF32=${MECHBOOK_TF32:-1} MECHBOOK_CACHE=${MECHBOOK_CACHE:-$out/cache}
if ! "$python" -c 'import torch; raise SystemExit(not torch.cuda.is_available())'; then
  export MECHBOOK_TF32=0
fi
ended() { echo "exit $1$([ "$1" = 124 ] && echo ', its time was over')"; }
# less what it takes to end: a signal, a last step, a state that is written
left() { echo $((seconds > SECONDS + 25 ? seconds - SECONDS - 20 : 5)); }

exec > >(tee "$out/report.txt") 2>&1
echo "$(date -u +%FT%TZ), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $seconds s"
if [ -d "$out/../wheels" ]; then
  "$python" -m pip install --quiet --no-index --no-deps --find-links "$out/../wheels" "$out"/../wheels/*.whl
fi
missing=$("$python" - <<'PY'
import importlib.util as u
names = "torch numpy scipy matplotlib safetensors jaxtyping filelock transformers IPython joblib tqdm".split()
print(" ".join(n for n in names if u.find_spec(n) is None))
PY
)
if [ -n "$missing" ]; then
  echo "This Python lacks $missing: install them, or put their wheels into $out/../wheels." >&2
  exit 1
fi

echo "--- steps on the device against the CPU, and their times"
flags=(--seconds $(($(left) / 6)) --out "$out/steps.json")
if [ "$size" = small ]; then flags+=(--small); fi
timeout -k 5 $(($(left) / 2)) "$python" -m benchmarks.on_device "${flags[@]}"
ended $?

if "$python" -c 'import pytest' 2>/dev/null && [ "$size" != small ]; then
  echo "--- the tests of devices"
  timeout -k 5 $(($(left) / 4)) "$python" -m pytest -q -p no:cacheprovider tests/test_devices.py tests/*/test_devices.py
  ended $?
fi

mkdir -p "$out/paper" || exit 1
arguments=(--seconds "$(left)")
if [ "$size" = small ]; then
  echo "--- small runs, for $(left) s"
  arguments+=(--small)
else
  echo "--- runs at the papers' size, for $(left) s"
  cp -Rn results/paper/. "$out/paper/"
fi
# every record is there as soon as it is written, whatever happens afterwards
MECHBOOK_RECORDS=$out/paper timeout -s INT -k 15 "$(($(left) + 5))" "$python" -m mechbook.paper "${arguments[@]}"
ended $?
echo "$(date -u +%FT%TZ): done after $SECONDS s; records: $(find "$out/paper" -name '*.json' | wc -l)"
