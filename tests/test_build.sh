# The build leaves a program that starts.
"$SAFFRON" --version >/dev/null && echo "ok program starts" || echo "not ok program starts"
