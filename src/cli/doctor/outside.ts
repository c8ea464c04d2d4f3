// What the doctor sees without opening the database: who may read the files, and settings that are unsafe. It changes nothing, so
// it must run before anything that sets permissions right by itself.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, isLoopback } from '../../config.ts';
import type { Finding } from './finding.ts';

const OTHERS = 0o077;

/** Files and folders that others may read or write. */
export function checkPermissions(config: Config): Finding[] {
  const findings: Finding[] = [];
  const database = config.databaseUrl.reveal();
  const sqlite = database.startsWith('sqlite:') ? database.slice('sqlite:'.length) : null;
  const keyFiles = existsSync(config.keys) ? readdirSync(config.keys).map((name) => join(config.keys, name)) : [];
  const paths = [
    config.data,
    join(config.data, 'repositories'),
    join(config.data, 'blobs'),
    join(config.data, 'run'),
    ...socketFiles(join(config.data, 'run', 'keyward.sock')),
    config.keys,
    ...keyFiles.filter((path) => !path.endsWith('.pub')),
    ...(sqlite === null ? [] : [sqlite, `${sqlite}-wal`, `${sqlite}-shm`]),
    ...(config.tls ? [config.tls.key] : []),
  ];
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    const mode = found ? found.mode & 0o777 : 0;
    if ((mode & OTHERS) !== 0)
      findings.push({
        check: 'permissions',
        level: 'risk',
        text: `${path} can be reached by others (mode ${mode.toString(8)}; it should be ${found?.isDirectory() ? '700' : '600'})`,
      });
  }
  if (!keyFiles.some((path) => /instance-\d+\.key$/.test(path)))
    findings.push({
      check: 'keys',
      level: 'damage',
      text: `there is no instance key in ${config.keys}: no token can be verified`,
    });
  return findings;
}

/** The private socket; where its path was too long, the file in its place and the socket that it names. */
function socketFiles(path: string): string[] {
  const isPointer = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  return isPointer ? [path, readFileSync(path, 'utf8').trim()] : [path];
}

/** Settings that put keys at risk. `forwardedSeen`: requests came with X-Forwarded-For. */
export function checkSettings(config: Config, forwardedSeen: boolean): Finding[] {
  const findings: Finding[] = config.warnings.map((text) => ({ check: 'settings', level: 'risk', text }));
  const say = (text: string) => findings.push({ check: 'settings', level: 'risk', text });
  if (config.tls === null && !isLoopback(config.listen.host) && config.trustedProxies.length === 0)
    say(
      'plain HTTP on an address that others reach: keys travel in clear text (KEYWARD_TLS_CERT, or a proxy named in KEYWARD_TRUSTED_PROXIES)',
    );
  if (forwardedSeen && config.trustedProxies.length === 0)
    say(
      'requests come through a proxy that KEYWARD_TRUSTED_PROXIES does not name: all clients share its address, its limits and its audit',
    );
  return findings;
}
