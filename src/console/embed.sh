#!/bin/sh
# Writes the files of the console into a C table: each as it is, and compressed with gzip. Usage: embed.sh OUT FILE...
# web/pages/ has the pages; the other files are assets, named by their path below web/. @ASSETS@ in a page becomes the
# folder of the assets: a hash of all of them and their names, so that a changed asset has a new address.
set -eu
out=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

name_of() { echo "${1##*/web/}"; }

bytes() { # FILE VARIABLE
  echo "static const unsigned char $2[] = {"
  od -An -v -tu1 "$1" | sed 's/[0-9][0-9]*/&,/g'
  echo '};'
}

for file; do
  case $(name_of "$file") in pages/*) ;; *) name_of "$file"; sha256sum <"$file" ;; esac
done >"$work/list"
assets=$(sha256sum <"$work/list" | cut -c 1-20)

{
  echo '/* Made by embed.sh. */'
  echo "#define ASSETS \"$assets\""
  number=0
  for file; do
    case $(name_of "$file") in
      pages/*) sed "s/@ASSETS@/$assets/g" "$file" >"$work/raw" ;;
      *) cp "$file" "$work/raw" ;;
    esac
    gzip -9 -n -c "$work/raw" >"$work/gzip"
    bytes "$work/raw" "raw_$number"
    bytes "$work/gzip" "gzip_$number"
    sha256sum <"$work/raw" | cut -c 1-20 >"$work/hash_$number"
    number=$((number + 1))
  done
  echo 'static const struct console_file files[] = {'
  number=0
  for file; do
    echo "    {.name = \"$(name_of "$file")\", .hash = \"$(cat "$work/hash_$number")\","
    echo "     .raw = {(const char *)raw_$number, sizeof raw_$number},"
    echo "     .gzip = {(const char *)gzip_$number, sizeof gzip_$number}},"
    number=$((number + 1))
  done
  echo '};'
} >"$out"
