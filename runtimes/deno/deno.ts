// The little of Deno's own API that is used; Deno's types are not a package.

export interface DenoServer {
  readonly addr: { readonly port: number }
  /** Accepts no more; resolves when the last answer has ended. */
  shutdown(): Promise<void>
}

declare global {
  const Deno: {
    serve(
      options: {
        readonly hostname: string
        readonly port: number
        readonly signal: AbortSignal
        onListen(): void
        onError(error: unknown): Response
      },
      handler: (
        request: Request,
        info: { readonly remoteAddr: { readonly hostname: string } },
      ) => Response | Promise<Response>,
    ): DenoServer
  }
}
