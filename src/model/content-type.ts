// The media type of a file by its name, for origins that do not tell.

const TYPES: Readonly<Record<string, string>> = {
  '7z': 'application/x-7z-compressed',
  apk: 'application/vnd.alpine.apk',
  asc: 'application/pgp-signature',
  bz2: 'application/x-bzip2',
  crt: 'application/x-x509-ca-cert',
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  deb: 'application/vnd.debian.binary-package',
  exe: 'application/vnd.microsoft.portable-executable',
  gem: 'application/octet-stream',
  gz: 'application/gzip',
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  jar: 'application/java-archive',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  md: 'text/markdown; charset=utf-8',
  mod: 'text/plain; charset=utf-8',
  pdf: 'application/pdf',
  pem: 'application/x-pem-file',
  png: 'image/png',
  rpm: 'application/x-rpm',
  sh: 'application/x-sh',
  sha256: 'text/plain; charset=utf-8',
  sha512: 'text/plain; charset=utf-8',
  sig: 'application/pgp-signature',
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  tgz: 'application/gzip',
  toml: 'application/toml',
  txt: 'text/plain; charset=utf-8',
  wasm: 'application/wasm',
  whl: 'application/zip',
  xml: 'application/xml',
  xz: 'application/x-xz',
  yaml: 'application/yaml',
  yml: 'application/yaml',
  zip: 'application/zip',
  zst: 'application/zstd',
}

const UNKNOWN = 'application/octet-stream'

/** What the origin said, unless it said nothing; then what the name says. */
export function contentTypeOf(fileName: string, said: string | null): string {
  const isTold = said !== null && said !== '' && said !== UNKNOWN && said !== 'binary/octet-stream'
  if (isTold) return said
  const dot = fileName.lastIndexOf('.')
  return (dot === -1 ? undefined : TYPES[fileName.slice(dot + 1).toLowerCase()]) ?? UNKNOWN
}
