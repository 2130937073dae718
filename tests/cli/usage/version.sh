# The version, as it stands in the header.
version=$(sed -n 's/^#define WKV_VERSION "\(.*\)"/\1/p' "$SOURCE/include/wkv/version.h")
[ "$("$WKV" --version)" = "wkv $version" ]
