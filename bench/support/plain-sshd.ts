// The yardstick of figure i: Debian's sshd with nothing but keys, where whoever signs in runs plain `git-upload-pack` himself. It
// listens on a port of its own, reads nothing of the machine's settings, and is Keyward's neighbour in every round.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, start, stop, timed } from './processes.ts';

const PROGRAM = '/usr/sbin/sshd';

export interface PlainSshd {
  readonly port: number;
  readonly login: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts sshd for one public key (the path of its `.pub` file); null when sshd is not installed. */
export async function startPlainSshd(folder: string, publicKey: string): Promise<PlainSshd | null> {
  const there = await timed('test', ['-x', PROGRAM]).catch(() => 0);
  if (there === 0) return null;
  const port = await freePort();
  const hostKey = join(folder, 'plain_host_key');
  await timed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  await copyFile(publicKey, join(folder, 'authorized_keys'));
  // sshd keeps the rights of its user apart here, and does not start without the folder.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const config = join(folder, 'plain_sshd_config');
  await writeFile(
    config,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKey}`,
      'PidFile none',
      'UsePAM no',
      'StrictModes no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      'SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*',
      'AcceptEnv GIT_PROTOCOL',
      'LogLevel ERROR',
      '',
    ].join('\n'),
  );
  const child = start(PROGRAM, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  await sleep(500);
  return { port, login: userInfo().username, pid: child.pid!, stop: () => stop(child) };
}
