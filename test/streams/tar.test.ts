// Tar archives as this program writes and reads them, held against the tar of the system.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TAR_END, tarHeader, tarPadding } from '../../src/streams/tar.ts'
import { createTarReader, type TarEntry } from '../../src/streams/untar.ts'

const encoder = new TextEncoder()
const LONG_NAME = `${'directory/'.repeat(20)}file`
let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'artifactapi-tar-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function archiveOf(files: Readonly<Record<string, string>>): Uint8Array {
  const parts = Object.entries(files).flatMap(([name, text]) => {
    const bytes = encoder.encode(text)
    return [
      tarHeader({ name, size: bytes.byteLength, modifiedAt: 1_700_000_000_500 }),
      bytes,
      tarPadding(bytes.byteLength),
    ]
  })
  return Buffer.concat([...parts, TAR_END])
}

/** In pieces of `pieceBytes`, wherever that cuts. */
function streamOf(bytes: Uint8Array, pieceBytes = 65_536): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close()
      controller.enqueue(bytes.subarray(at, at + pieceBytes))
      at += pieceBytes
    },
  })
}

async function textOf(entry: TarEntry): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of entry.chunks()) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function filesOf(bytes: Uint8Array, pieceBytes?: number): Promise<Record<string, string>> {
  const reader = createTarReader(streamOf(bytes, pieceBytes))
  const files: Record<string, string> = {}
  for (;;) {
    const entry = await reader.next()
    if (entry === null) return files
    if (entry.kind === 'file') files[entry.name] = await textOf(entry)
  }
}

const FILES = { empty: '', 'a.txt': 'one', 'block.bin': 'x'.repeat(512), 'more.bin': 'y'.repeat(1300) }

describe('an archive', () => {
  it.each([1, 7, 512, 1000, 65_536])('is read as it was written, in pieces of %i bytes', async pieceBytes => {
    expect(await filesOf(archiveOf(FILES), pieceBytes)).toEqual(FILES)
  })

  it('keeps names that are long or not ASCII', async () => {
    const files = { [LONG_NAME]: 'long', 'größe/日本.txt': 'wide' }
    expect(await filesOf(archiveOf(files))).toEqual(files)
  })

  it('passes over what was not read', async () => {
    const reader = createTarReader(streamOf(archiveOf(FILES), 100))
    const names: string[] = []
    for (let entry = await reader.next(); entry !== null; entry = await reader.next()) {
      names.push(entry.name)
      // A piece only, or nothing at all.
      if (names.length === 3) await entry.chunks().next()
    }
    expect(names).toEqual(Object.keys(FILES))
  })

  it('can be unpacked by the tar of the system', () => {
    const files = { ...FILES, [LONG_NAME]: 'long', 'größe.txt': 'wide' }
    writeFileSync(join(directory, 'a.tar'), archiveOf(files))
    execFileSync('tar', ['xf', 'a.tar'], { cwd: directory })
    for (const [name, text] of Object.entries(files))
      expect(readFileSync(join(directory, name), 'utf8')).toBe(text)
    const listed = execFileSync('tar', ['tvf', 'a.tar', 'a.txt'], {
      cwd: directory,
      env: { ...process.env, TZ: 'UTC' },
    })
    expect(String(listed)).toMatch(/^-rw------- .* 2023-11-14 22:13 a\.txt/)
  })

  it.each(['pax', 'gnu', 'ustar', 'oldgnu'])('of the system in format %s can be read', async format => {
    const name = format === 'ustar' ? `${'d'.repeat(90)}/${'f'.repeat(80)}` : LONG_NAME
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), 'long')
    writeFileSync(join(directory, 'short'), 'short')
    execFileSync('tar', ['cf', 'a.tar', `--format=${format}`, 'short', name], { cwd: directory })
    expect(await filesOf(readFileSync(join(directory, 'a.tar')))).toEqual({ short: 'short', [name]: 'long' })
  })

  it('tells a size beyond eight gigabytes', async () => {
    const size = 9 * 1024 ** 3
    const reader = createTarReader(streamOf(tarHeader({ name: 'large', size, modifiedAt: 0 })))
    expect(await reader.next()).toMatchObject({ name: 'large', size, kind: 'file' })
  })

  it('of GNU tells such a size as well', async () => {
    const header = tarHeader({ name: 'large', size: 0, modifiedAt: 0 })
    header.set([0x80, 0, 0, 0, 0, 0, 0, 2, 0x40, 0, 0, 0], 124)
    header.set(encoder.encode('        '), 148)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.set(encoder.encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
    expect(await createTarReader(streamOf(header)).next()).toMatchObject({ size: 9 * 1024 ** 3 })
  })
})

describe('a broken archive', () => {
  it('that ends inside a file fails, whether that file is read or passed over', async () => {
    const cut = archiveOf({ 'a.bin': 'x'.repeat(3000) }).subarray(0, 512 + 2000)
    await expect(filesOf(cut)).rejects.toThrow(
      'Cannot read archive: it ends after 2000 of 3000 bytes of a.bin',
    )
    const reader = createTarReader(streamOf(cut))
    await reader.next()
    await expect(reader.next()).rejects.toThrow('before the end of a file')
  })

  it('that ends inside a header fails', async () => {
    await expect(filesOf(archiveOf(FILES).subarray(0, 700))).rejects.toThrow('it ends after 700 bytes')
  })

  it('with a byte changed in a header fails', async () => {
    const bytes = archiveOf(FILES)
    bytes[512] = 1
    await expect(filesOf(bytes)).rejects.toThrow('there is no header at byte 512')
  })

  it('with an endless extended header fails', async () => {
    const header = tarHeader({ name: LONG_NAME, size: 5, modifiedAt: 0 })
    const huge = tarHeader({ name: 'x', size: 2 ** 30, modifiedAt: 0 })
    huge[156] = 'x'.charCodeAt(0)
    huge.set(encoder.encode('        '), 148)
    const sum = huge.reduce((total, byte) => total + byte, 0)
    huge.set(encoder.encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148)
    await expect(filesOf(Buffer.concat([huge, header]))).rejects.toThrow(
      'an extended header has 1073741824 bytes',
    )
  })
})
