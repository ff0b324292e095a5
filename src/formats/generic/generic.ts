// Files of any HTTP server, as they are. A path that ends in `/` is a listing and may change; everything else
// is a file that does not, unless the repository's patterns say so.

import { fileNameOf } from '../../model/path.ts'
import type { Problem } from '../../model/problem.ts'
import type { Format, PackageRequest } from '../format.ts'

export const generic: Format = {
  name: 'generic',
  negativeTtlSeconds: 30,
  quarantineStatus: 404,

  parse(request: PackageRequest) {
    const { path, query } = request
    const key = query === '' ? path.canonical : `${path.canonical}?${query}`
    const fileName = fileNameOf(path)
    if (request.method === 'PUT' || request.method === 'DELETE') {
      return { kind: request.method === 'PUT' ? 'put' : 'delete', key, path: path.canonical, fileName }
    }
    return {
      kind: 'file',
      key,
      path: path.canonical,
      originPath: query === '' ? path.raw : `${path.raw}?${query}`,
      defaultClass: path.canonical === '' || path.canonical.endsWith('/') ? 'mutable' : 'immutable',
      fileName,
    }
  },

  locate: (target, origin) => ({ url: `${origin.baseUrl}/${target.originPath}` }),

  refuse: (problem: Problem) => ({
    status: problem.status,
    contentType: 'text/plain; charset=utf-8',
    body: `${problem.message}\n`,
  }),

  guide: url => [
    { client: 'curl', text: `curl -LO ${url}/path/to/file` },
    { client: 'wget', text: `wget ${url}/path/to/file` },
  ],

  admit() {},
}
