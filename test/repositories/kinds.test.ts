import { expect } from 'vitest'
import type { Format } from '../../src/formats/format.ts'
import { generic } from '../../src/formats/generic/generic.ts'
import { Problem } from '../../src/model/problem.ts'
import { describeKinds } from '../contracts/kinds.ts'

describeKinds(generic, {
  immutable: { path: 'dist/tool-1.0.tar.gz', originPath: 'dist/tool-1.0.tar.gz', body: 'bytes of the tool' },
  mutable: { path: 'dist/', originPath: 'dist/', body: '<a href="tool-1.0.tar.gz">tool</a>' },
  upload: { path: 'mine/tool-1.0.bin', body: 'bytes of mine', refusedPath: 'mine/' },
  expectDialect(answer, { status, words }) {
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(answer.body).toMatch(words)
  },
})

/** A format that no room has heard of: other paths, other keys, other places at the origin, its own way to refuse. */
const crates: Format = {
  name: 'crates-of-the-test',
  negativeTtlSeconds: 5,
  quarantineStatus: 403,
  parse({ method, path }) {
    const [name, version, ...rest] = path.canonical.split('@')
    if (name === undefined || version === undefined || rest.length > 0) return null
    const meant = { key: `${name}#${version}`, path: path.canonical, fileName: `${name}-${version}.crate` }
    if (method === 'PUT' || method === 'DELETE')
      return { kind: method === 'PUT' ? 'put' : 'delete', ...meant }
    const defaultClass = version === 'newest' ? 'mutable' : 'immutable'
    return { kind: 'file', ...meant, originPath: `by-version/${version}/${name}`, defaultClass }
  },
  locate: (target, origin) => ({
    url: `${origin.baseUrl}/${target.originPath}`,
    headers: { accept: 'crate' },
  }),
  refuse: problem => ({
    status: problem.status,
    contentType: 'application/vnd.crates+json',
    body: JSON.stringify({ errors: [{ code: problem.code, detail: problem.message }] }),
  }),
  guide: url => [{ client: 'crate', text: `crate get ${url}` }],
  admit({ path }) {
    if (path !== path.toLowerCase()) throw new Problem('unprocessable', 'Cannot keep crate: not lower case')
  },
}

describeKinds(crates, {
  immutable: { path: 'left@1.2.3', originPath: 'by-version/1.2.3/left', body: 'crate left 1.2.3' },
  mutable: { path: 'left@newest', originPath: 'by-version/newest/left', body: 'crate left, the newest' },
  foreignPath: 'left/1.2.3',
  upload: { path: 'right@0.1.0', body: 'crate right', refusedPath: 'Right@0.1.0' },
  expectDialect(answer, { status, words }) {
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/vnd.crates+json')
    const told = JSON.parse(answer.body) as { errors: { detail: string }[] }
    expect(told.errors[0]?.detail).toMatch(words)
  },
})
