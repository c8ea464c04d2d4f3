// Keyward behind OpenSSH's own server: `ssh-authorized-keys` answers sshd's AuthorizedKeysCommand, `ssh-command` is the forced
// command that it names (docs/ssh.md). Both ask the running server; they decide nothing and hold nothing.
import { createHash } from 'node:crypto';
import { localSocketPath } from '../doors/local/local-door.ts';
import { COMMAND_LIMIT } from '../doors/ssh/frames.ts';
import { framed, NOT_AVAILABLE } from '../doors/ssh/messages.ts';
import { askKey, relaySession } from '../doors/ssh/relay.ts';
import { EXIT, type ExitCode } from './terminal.ts';

const FINGERPRINT = /^(?:SHA256:)?([A-Za-z0-9+/]{43})=?$/;
const OPTIONS = 'restrict,no-port-forwarding,no-X11-forwarding,no-agent-forwarding,no-pty';

/**
 * `ssh-authorized-keys FINGERPRINT` (sshd's %f) or `ssh-authorized-keys TYPE BLOB` (its %t %k): prints the key's line of
 * `authorized_keys` with its forced command, or nothing for a key that is not known.
 */
export async function authorizedKeys(args: readonly string[]): Promise<ExitCode> {
  const fingerprint = fingerprintOf(args);
  if (fingerprint === null) {
    process.stderr.write('keyward: ssh-authorized-keys takes a fingerprint (%f), or a type and a key (%t %k)\n');
    return EXIT.usage;
  }
  const { readConfig } = await import('../config.ts');
  const config = readConfig(process.env, process.cwd());
  const socket = await localSocketPath(config.data);
  const answer = await askKey(socket, { ask: 'key', fingerprint, ip: null }).catch(() => null);
  if (answer === null) {
    process.stderr.write(`keyward: no server runs on ${config.data}\n`);
    return EXIT.failed;
  }
  if (!answer.known || answer.key === null) return EXIT.ok;
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', `${import.meta.dirname}/main.ts`];
  // sshd hands no variables on, and the command must find the server's folder.
  const words = ['/usr/bin/env', `KEYWARD_DATA=${config.data}`, ...program, 'ssh-command', fingerprint];
  const command = words.map(shellQuoted).join(' ');
  process.stdout.write(`command="${command.replace(/["\\]/g, '\\$&')}",${OPTIONS} ${answer.key}\n`);
  return EXIT.ok;
}

function fingerprintOf(args: readonly string[]): string | null {
  if (args.length === 1) return FINGERPRINT.exec(args[0]!)?.[1] ?? null;
  if (args.length !== 2 || !/^[A-Za-z0-9+/]+={0,2}$/.test(args[1]!)) return null;
  return createHash('sha256').update(Buffer.from(args[1]!, 'base64')).digest('base64').replace(/=+$/, '');
}

function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `ssh-command FINGERPRINT`: carries the session that sshd has begun to the server on the folder KEYWARD_DATA. */
export async function forcedCommand(args: readonly string[]): Promise<number> {
  const fingerprint = FINGERPRINT.exec(args[0] ?? '')?.[1];
  const data = process.env['KEYWARD_DATA'];
  if (!fingerprint || !data || args.length !== 1) {
    process.stderr.write('keyward: ssh-command is for sshd: see docs/ssh.md\n');
    return EXIT.usage;
  }
  const { SSH_ORIGINAL_COMMAND: command, GIT_PROTOCOL: protocol, SSH_CONNECTION: connection } = process.env;
  const left = new AbortController();
  process.stdout.on('error', () => left.abort());
  process.on('SIGHUP', () => left.abort());
  const code = await relaySession(
    await localSocketPath(data),
    {
      ask: 'session',
      fingerprint,
      ip: connection?.split(' ')[0] ?? null,
      command: command === undefined ? null : command.slice(0, COMMAND_LIMIT + 1),
      protocol: protocol ?? null,
      transport: 'openssh',
    },
    {
      stdin: process.stdin,
      left: left.signal,
      stdout: (bytes) => new Promise((done) => process.stdout.write(bytes, () => done())),
      stderr: (bytes) => new Promise((done) => process.stderr.write(bytes, () => done())),
    },
  );
  if (code === null && !left.signal.aborted) process.stderr.write(framed(NOT_AVAILABLE));
  return code ?? 1;
}
