// The app suite: everything a client or an operator can see, through a real server. Each runtime passes the same one.

import { describe, expect, it } from 'vitest'
import type { AppServer, RuntimeName, StartOptions } from '../app-server.ts'
import { describeCatalogRoutes } from './app/catalog-routes.ts'
import { describeConditions } from './app/conditions.ts'
import { describeFlights } from './app/flights.ts'
import { describeFreshness } from './app/freshness.ts'
import { describeHits } from './app/hits.ts'
import { describeIntegrity } from './app/integrity.ts'
import { describeLocal } from './app/local.ts'
import { describeManagement } from './app/management.ts'
import { describePages } from './app/pages.ts'
import { describePaths } from './app/paths.ts'
import { describePolicy } from './app/policy.ts'
import type { Suite } from './app/suite.ts'
import { describeTrouble } from './app/trouble.ts'
import { describeVirtual } from './app/virtual.ts'
import { describeWaysOut } from './app/ways-out.ts'

/** `skip`: the title of a test → why this runtime cannot pass it. At most five. */
export function describeApp(
  runtime: RuntimeName,
  start: (options: StartOptions) => Promise<AppServer>,
  skip: Readonly<Record<string, string>> = {},
): void {
  const suite: Suite = { runtime, start, skip, titles: new Set() }
  describe(`App contract: ${runtime}`, () => {
    describeHits(suite)
    describeConditions(suite)
    describePolicy(suite)
    describeFreshness(suite)
    describeTrouble(suite)
    describeFlights(suite)
    describeIntegrity(suite)
    describeWaysOut(suite)
    describePaths(suite)
    describeLocal(suite)
    describeVirtual(suite)
    describePages(suite)
    describeCatalogRoutes(suite)
    describeManagement(suite)

    it('skips at most five tests, and none that is no more', () => {
      expect(Object.keys(skip).filter(title => !suite.titles.has(title))).toEqual([])
      expect(Object.keys(skip).length).toBeLessThanOrEqual(5)
    })
  })
}
