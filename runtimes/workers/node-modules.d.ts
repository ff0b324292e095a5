// The little of Node that Workers have under `nodejs_compat` and that is used here; their own types do not speak of it.

declare module 'node:async_hooks' {
  export class AsyncLocalStorage<Store> {
    run<Result>(store: Store, work: () => Result): Result
    getStore(): Store | undefined
  }
}

declare module 'node:buffer' {
  export const Buffer: {
    from(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array
  }
}

declare module 'node:crypto' {
  export function createHash(algorithm: string): {
    update(bytes: Uint8Array): void
    digest(encoding: 'hex'): string
  }
}
