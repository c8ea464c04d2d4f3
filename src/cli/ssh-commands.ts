// Keyward behind OpenSSH's own server: `ssh-authorized-keys` answers sshd's AuthorizedKeysCommand, `ssh-command` is the forced
// command that it names (docs/ssh.md). Both ask the running server; they decide nothing and hold nothing. Every sign-in starts
// both, so they load next to nothing and are kept compiled.
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { localSocketPath } from '../doors/local/socket-path.ts';
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
  const fingerprint = await fingerprintOf(args);
  if (fingerprint === null) {
    process.stderr.write('keyward: ssh-authorized-keys takes a fingerprint (%f), or a type and a key (%t %k)\n');
    return EXIT.usage;
  }
  const data = await dataFolder();
  const socket = await localSocketPath(data);
  const answer = await askKey(socket, { ask: 'key', fingerprint, ip: null }).catch(() => null);
  if (answer === null) {
    process.stderr.write(`keyward: no server runs on ${data}\n`);
    return EXIT.failed;
  }
  if (!answer.known || answer.key === null) return EXIT.ok;
  const command = [...programOf(data), 'ssh-command', fingerprint].map(shellQuoted).join(' ');
  process.stdout.write(`command="${command.replace(/["\\]/g, '\\$&')}",${OPTIONS} ${answer.key}\n`);
  return EXIT.ok;
}

/** `sshd-config`: prints what belongs into `sshd_config` for this server and the account that runs the command. */
export async function sshdConfig(args: readonly string[]): Promise<ExitCode> {
  if (args.length > 0) {
    process.stderr.write('keyward: sshd-config takes no arguments\n');
    return EXIT.usage;
  }
  const words = [...programOf(await dataFolder()), 'ssh-authorized-keys'];
  // sshd splits the line by spaces and quotes, and reads `%` as the beginning of a token.
  const command = words.map((word) => (/[\s"'\\]/.test(word) ? `"${word.replace(/["\\]/g, '\\$&')}"` : word));
  const account = userInfo().username;
  const lines = [
    `Match User ${account}`,
    'AuthenticationMethods publickey',
    'AuthorizedKeysFile none',
    `AuthorizedKeysCommand ${command.join(' ').replaceAll('%', '%%')} %f`,
    `AuthorizedKeysCommandUser ${account}`,
    'AcceptEnv GIT_PROTOCOL',
    'DisableForwarding yes',
    'PermitTTY no',
    'PermitUserRC no',
  ];
  process.stdout.write(`${lines.join('\n    ')}\n`);
  if (account === 'root')
    process.stderr.write(
      'keyward: these lines shut root out of SSH, for they are for the account that runs the command: run it as the ' +
        'account of the server, such as "sudo -u git" (docs/ssh.md)\n',
    );
  return EXIT.ok;
}

/** The server's data folder. The settings file is read only where the environment does not say it. */
async function dataFolder(): Promise<string> {
  const named = process.env['KEYWARD_DATA'];
  if (named) return resolve(named);
  const { readConfig } = await import('../config.ts');
  return readConfig(process.env, process.cwd()).data;
}

/** How sshd starts one of these commands: it hands no variables on, and the program must find the server's folder. */
function programOf(data: string): string[] {
  const cache = join(data, 'tmp', 'compile-cache');
  const program = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'ssh-entry.ts'),
  ];
  return ['/usr/bin/env', `KEYWARD_DATA=${data}`, `NODE_COMPILE_CACHE=${cache}`, ...program];
}

async function fingerprintOf(args: readonly string[]): Promise<string | null> {
  if (args.length === 1) return FINGERPRINT.exec(args[0]!)?.[1] ?? null;
  if (args.length !== 2 || !/^[A-Za-z0-9+/]+={0,2}$/.test(args[1]!)) return null;
  const { createHash } = await import('node:crypto');
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
