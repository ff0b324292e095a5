import { describe, expect, it } from 'vitest'
import { classifyAddress, isAddress, isSameAddress } from '../../src/drivers/address-policy.ts'

describe('classifyAddress()', () => {
  it.each([
    '93.184.216.34',
    '8.8.8.8',
    '172.15.0.1',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '::ffff:8.8.8.8',
  ])('calls %s public', ip => expect(classifyAddress(ip)).toBe('public'))

  it.each([
    '10.1.2.3',
    '127.0.0.1',
    '127.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '100.64.0.1',
    '100.127.255.255',
    '198.18.0.1',
    '::1',
    'fc00::1',
    'fd12:3456::1',
    'fec0::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::10.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
  ])('calls %s private', ip => expect(classifyAddress(ip)).toBe('private'))

  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '169.254.169.254',
    '192.0.2.1',
    '203.0.113.7',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fe80::1%eth0',
    'ff02::1',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '2001::1',
    '2001:db8::1',
    '3fff:1::1',
    '100::1',
    'not an address',
    '256.1.1.1',
    '',
  ])('calls "%s" closed', ip => expect(classifyAddress(ip)).toBe('closed'))
})

describe('isSameAddress()', () => {
  it('sees through spellings', () => {
    expect(isSameAddress('2606:4700:0:0::1', '2606:4700::0001')).toBe(true)
    expect(isSameAddress('10.0.0.1', '10.0.0.2')).toBe(false)
    expect(isSameAddress('x', 'x')).toBe(false)
  })
})

describe('isAddress()', () => {
  it('knows what URL.hostname makes of octal, hexadecimal and short addresses', () => {
    for (const host of ['0177.0.0.1', '0x7f000001', '127.1', '2130706433', '[::1]']) {
      const { hostname } = new URL(`http://${host}/`)
      expect(isAddress(hostname)).toBe(true)
      expect(classifyAddress(hostname)).toBe('private')
    }
    expect(isAddress('files.example')).toBe(false)
  })
})
