# gpu.sh test|bench BUILD: runs the tests or the benchmarks of the CUDA kernels, where there are nvcc and a GPU.
# SANITIZE=1: the tests under compute-sanitizer, tool by tool. EXHAUSTIVE=1: all 2^32 floats. JSON=FILE: bench writes it.
what=$1 build=$2
export SAFFRON_GPU_MODULE="$build/lib/saffron_cuda.so"
if [ ! -e "$SAFFRON_GPU_MODULE" ]; then
    echo "gpu-$what: skipped: nvcc was not found, so there is no CUDA module"
    exit 0
fi
program=$build/gpu/gpu_$what
case $what in
bench) exec "$program" ${JSON:+--json "$JSON"} ;;
esac
if [ -n "$SANITIZE" ]; then
    sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
    if [ -z "$sanitizer" ]; then
        echo "gpu-test: skipped: compute-sanitizer was not found"
        exit 0
    fi
    for tool in memcheck racecheck initcheck; do
        echo "== $tool"
        "$sanitizer" --tool "$tool" --error-exitcode 9 "$program" --small || exit 1
    done
    exit 0
fi
exec "$program" ${EXHAUSTIVE:+--exhaustive}
