// Leases on Workers: one Durable Object a name, which is the only place in the world where that name is decided.
// The client asks for a new stub at every call, because a stub may be used only by the request that made it.

import { DurableObject } from 'cloudflare:workers'
import { createSystemClock } from '../../src/drivers/system-clock.ts'
import { toProblem } from '../../src/model/problem.ts'
import type { HeldLease, Lease, LeaseHolder } from '../../src/ports/lease.ts'

interface Holding extends LeaseHolder {
  readonly expiresAt: number
}

/** The lease of one name. Nothing else is delivered to it while it waits for its storage, so each method is atomic. */
export class LeaseObject extends DurableObject {
  readonly #clock = createSystemClock()
  #lastToken = 0

  /** The fencing token; null when it is held. */
  async acquire(ttlSeconds: number, note: string): Promise<number | null> {
    if ((await this.#find()) !== null) return null
    // The time of day lets tokens grow although nothing is kept of a lease that is free.
    this.#lastToken = Math.max(this.#lastToken + 1, this.#clock.now())
    await this.#hold(this.#lastToken, note, ttlSeconds)
    return this.#lastToken
  }

  async renew(token: number, ttlSeconds: number): Promise<boolean> {
    const holding = await this.#find()
    if (holding?.token !== token) return false
    await this.#hold(token, holding.note, ttlSeconds)
    return true
  }

  async release(token: number): Promise<void> {
    if ((await this.#find())?.token === token) await this.#forget()
  }

  async holder(): Promise<LeaseHolder | null> {
    const holding = await this.#find()
    return holding === null ? null : { token: holding.token, note: holding.note }
  }

  /** Leaves no trace of a holder that vanished. */
  override async alarm(): Promise<void> {
    const holding = await this.ctx.storage.get<Holding>('holding')
    if (holding === undefined) return
    if (this.#clock.now() >= holding.expiresAt) await this.#forget()
    else await this.ctx.storage.setAlarm(holding.expiresAt)
  }

  async #find(): Promise<Holding | null> {
    const holding = await this.ctx.storage.get<Holding>('holding')
    if (holding === undefined) return null
    this.#lastToken = Math.max(this.#lastToken, holding.token)
    return this.#clock.now() < holding.expiresAt ? holding : null
  }

  async #hold(token: number, note: string, ttlSeconds: number) {
    const expiresAt = this.#clock.now() + ttlSeconds * 1000
    await this.ctx.storage.put<Holding>('holding', { token, note, expiresAt })
    await this.ctx.storage.setAlarm(expiresAt)
  }

  async #forget() {
    await this.ctx.storage.deleteAlarm()
    await this.ctx.storage.deleteAll()
  }
}

export function createDurableLease(namespace: DurableObjectNamespace<LeaseObject>): Lease {
  async function acquire(name: string, ttlSeconds: number, note = ''): Promise<HeldLease | null> {
    const token = await ask('acquire', name, lease => lease.acquire(ttlSeconds, note))
    if (token === null) return null
    return {
      token,
      renew: moreSeconds => ask('renew', name, lease => lease.renew(token, moreSeconds)),
      release: () => ask('release', name, lease => lease.release(token)),
    }
  }

  async function ask<Answer>(
    action: string,
    name: string,
    call: (lease: DurableObjectStub<LeaseObject>) => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await call(namespace.get(namespace.idFromName(name)))
    } catch (error) {
      throw toProblem(error, 'database-broken', `Cannot ${action} lease ${name}`)
    }
  }

  return { acquire, holder: name => ask('find the holder of', name, lease => lease.holder()) }
}
