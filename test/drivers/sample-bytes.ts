/** Bytes that look random and are the same for the same seed. */
export function bytesOf(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = seed * 2654435761 + 1
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    words[i] = state ^ (state >>> 13)
  }
  return new Uint8Array(words.buffer, 0, length)
}
