// The body of a request that is written to, one chunk at a time, as fast as the request takes it.

export interface BodyPipe {
  readonly stream: ReadableStream<Uint8Array>
  /** Resolves when the request took the chunk. Rejects with what `fail` was told. */
  push(chunk: Uint8Array): Promise<void>
  end(): void
  /** Nobody takes any more. */
  fail(error: unknown): void
}

export function createBodyPipe(): BodyPipe {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null
  let failure: { readonly error: unknown } | null = null
  /** Ends the pull that waits for a chunk; null while nobody asks for one. */
  let settlePull: (() => void) | null = null
  let wakeWriter = () => {}

  function answerPull(): void {
    settlePull?.()
    settlePull = null
  }

  function fail(error: unknown): void {
    failure ??= { error }
    answerPull()
    wakeWriter()
  }

  return {
    stream: new ReadableStream<Uint8Array>(
      {
        start(opened) {
          controller = opened
        },
        pull: () =>
          new Promise<void>(resolve => {
            settlePull = resolve
            wakeWriter()
          }),
        cancel: reason => fail(reason ?? new Error('the request takes no more of its body')),
      },
      { highWaterMark: 0 },
    ),
    async push(chunk) {
      while (settlePull === null && failure === null)
        await new Promise<void>(resolve => {
          wakeWriter = resolve
        })
      if (failure !== null) throw failure.error
      controller?.enqueue(chunk)
      answerPull()
    },
    end() {
      if (failure === null) controller?.close()
      answerPull()
    },
    fail,
  }
}
