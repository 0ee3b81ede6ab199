// What the tests need beyond npm: real servers to talk to, a real browser to look at. Installed where that is ours to
// do (root on Debian or Ubuntu), named otherwise.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** Program on the PATH → the Debian package that brings it. */
const NEEDS = {
  'nats-server': 'nats-server',
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
  chromium: 'chromium',
  'docker-compose': 'docker-compose',
  rsyslogd: 'rsyslog',
  xmllint: 'libxml2-utils',
  openssl: 'openssl',
}
/** Daemons that Debian enables at boot when their package is installed: the tests start their own. */
const DAEMONS = ['mosquitto', 'nats-server']
const POLICY = '/usr/sbin/policy-rc.d'

/** A plain user's PATH lacks sbin, where Debian puts the servers: tests find them through this one. */
export function pathWithServers() {
  const dirs = (process.env.PATH ?? '').split(':')
  return [...dirs, ...['/usr/local/sbin', '/usr/sbin', '/sbin'].filter((d) => !dirs.includes(d))].join(':')
}

function onPath(program) {
  return pathWithServers()
    .split(':')
    .some((dir) => {
      try {
        accessSync(path.join(dir, program), constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

const missingPackages = () => [
  ...new Set(Object.entries(NEEDS).flatMap(([program, name]) => (onPath(program) ? [] : [name]))),
]

function isDebianRoot() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get') || !existsSync('/etc/os-release'))
    return false
  return /^(ID|ID_LIKE)=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
}

function apt(...args) {
  const { status } = spawnSync('apt-get', ['-q', ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  return status === 0
}

/** Installs what is missing, or says in one line what is and how to get it. Tests of what stays missing are skipped. */
export function provide(say) {
  const missing = missingPackages()
  if (missing.length === 0) return
  if (!isDebianRoot()) {
    say(
      `missing (their tests will be skipped): ${missing.join(' ')}; to install: sudo apt-get install -y --no-install-recommends ${missing.join(' ')}`,
    )
    return
  }
  say(`the tests need ${missing.join(', ')}: installing with apt-get`)
  // With this file in place Debian's packages do not start the daemons they bring (the ports would be taken).
  const ownPolicy = !existsSync(POLICY)
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    apt('update')
    // All at once is quicker; one by one where a release lacks a package, so that the others still come.
    if (!apt('install', '-y', '--no-install-recommends', ...missing))
      for (const name of missing) apt('install', '-y', '--no-install-recommends', name)
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true })
  }
  // Not started now, nor at the next boot; only those that we have just brought.
  for (const daemon of DAEMONS)
    if (missing.includes(daemon) && existsSync('/run/systemd/system'))
      spawnSync('systemctl', ['disable', '--quiet', '--now', daemon], { stdio: 'ignore' })
  const still = missingPackages()
  if (still.length > 0) say(`could not be installed (their tests will be skipped): ${still.join(' ')}`)
}
