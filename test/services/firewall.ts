// Cuts the network between one process group and one port of this machine: packets are dropped, as by a cable that was
// pulled, so that nobody hears of it. The processes are told by their group id.

import { spawnSync } from 'node:child_process'
import { hasCondition } from '../tools.ts'

/** To be used as `describe.skipIf(!hasFirewall())`. */
export function hasFirewall(): boolean {
  const probe = ruleOf(65_533, 9)
  const works = iptables('-A', probe) && iptables('-D', probe)
  return hasCondition('iptables with the right to use it', works)
}

/** Returns the way to mend it. */
export function cutOff(gid: number, port: number): () => void {
  const rule = ruleOf(gid, port)
  if (!iptables('-A', rule)) throw new Error(`Cannot cut off port ${port}`)
  open.add(rule)
  return () => {
    if (open.delete(rule) && !iptables('-D', rule)) throw new Error(`Cannot mend port ${port}`)
  }
}

function ruleOf(gid: number, port: number): string {
  return `OUTPUT -o lo -p tcp --dport ${port} -m owner --gid-owner ${gid} -j DROP`
}

function iptables(verb: '-A' | '-D', rule: string): boolean {
  return spawnSync('iptables', ['-w', '5', verb, ...rule.split(' ')], { stdio: 'ignore' }).status === 0
}

// Rules outlive processes: a test run that is broken off must leave none.
const open = new Set<string>()
process.on('exit', () => {
  for (const rule of open) iptables('-D', rule)
})
