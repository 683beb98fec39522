#!/bin/sh
# Writes scripts into a C table. Usage: embed.sh OUT SCRIPT...
set -eu
out=$1
shift
{
  echo '/* Made by embed.sh. */'
  number=0
  for script; do
    echo "static const unsigned char builtin_$number[] = {"
    od -An -v -tu1 "$script" | sed 's/[0-9][0-9]*/&,/g'
    echo '};'
    number=$((number + 1))
  done
  echo 'static const struct builtin {'
  echo '  const char *name;'
  echo '  const unsigned char *text;'
  echo '  size_t size;'
  echo '} builtins[] = {'
  number=0
  for script; do
    echo "    {\"$(basename "$script" .lua)\", builtin_$number, sizeof builtin_$number},"
    number=$((number + 1))
  done
  echo '};'
} >"$out"
