// Figure i: our SSH door beside Debian's sshd with plain `git-upload-pack` over the very same repository folder, and beside our own
// HTTPS door: one large clone, the way from connecting to the first byte, and what fifty open sessions weigh.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, median, setting, text } from './support/figure.ts';
import { startPlainSshd } from './support/plain-sshd.ts';
import { children, cpuSecondsOfFamily, inFolder, memory, memoryOf, start, stop, timed } from './support/processes.ts';
import { cloneUrl, gitEnvironment, MEGABYTES, makeProject, makeRepository, push } from './support/repository.ts';
import { type Server, startServer } from './support/server.ts';

const ROUNDS = setting('BENCH_ROUNDS', 7);
const SESSIONS = setting('BENCH_SESSIONS', 50);
/** so that no key's share of sessions is reached, as with people */
const KEYS = 5;

interface Way {
  readonly name: string;
  readonly url: string;
  /** CPU seconds that the serving side has used until now, git included */
  cpu(): number;
}

interface Measured {
  readonly name: string;
  readonly seconds: number[];
  readonly cpu: number[];
}

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const server = await startServer({ data: join(folder, 'data'), ssh: true });
    const keys: string[] = [];
    for (let nth = 0; nth < KEYS; nth += 1) keys.push(await makeKey(server, folder, nth));
    await makeProject(server, 'large');
    await push(server, await makeRepository(folder), 'large', folder);
    await rm(join(folder, 'source'), { recursive: true });
    const url = String((await server.api('GET', '/projects/root%2Flarge')).ssh_url_to_repo).replace(
      'localhost',
      '127.0.0.1',
    );
    const child = children(server.pid).find(({ args }) => args.includes('ssh2-child'))!.pid;
    const bare = globSync(join(folder, 'data', 'repositories', '*', '*', '*.git'))[0]!;
    const sshd = await startPlainSshd(folder, `${keys[0]}.pub`);
    try {
      const ours = () => cpuSecondsOfFamily(server.pid) + cpuSecondsOfFamily(child);
      const ways: Way[] = [{ name: 'Keyward, SSH', url, cpu: ours }];
      if (sshd) {
        const address = `ssh://${sshd.login}@127.0.0.1:${sshd.port}${bare}`;
        ways.push({ name: 'sshd, git-upload-pack', url: address, cpu: () => cpuSecondsOfFamily(sshd.pid) });
      }
      ways.push({ name: 'Keyward, HTTPS door', url: cloneUrl(server, 'large'), cpu: ours });
      const clones = await clone(folder, keys[0]!, ways);
      const port = Number(new URL(url).port);
      const first = { ours: [] as number[], sshd: [] as number[] };
      for (let round = 0; round < ROUNDS * 3; round += 1) {
        first.ours.push(await firstByte(sshArguments(keys[0]!, port, 'git', 'root/large.git')));
        if (sshd) first.sshd.push(await firstByte(sshArguments(keys[0]!, sshd.port, sshd.login, bare)));
      }
      return figure({ clones, first, held: await holdOpen(server, child, keys, port), compared: sshd !== null });
    } finally {
      await sshd?.stop();
      await server.stop();
    }
  });
}

async function makeKey(server: Server, folder: string, nth: number): Promise<string> {
  const path = join(folder, `client_key_${nth}`);
  await timed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  await server.api('POST', '/user/keys', { title: `bench ${nth}`, key: readFileSync(`${path}.pub`, 'utf8') });
  return path;
}

function options(key: string): string[] {
  return [
    ...['-F', '/dev/null', '-T', '-i', key, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
  ];
}

function sshArguments(key: string, port: number, login: string, repository: string): string[] {
  return [...options(key), '-p', String(port), `${login}@127.0.0.1`, `git-upload-pack '${repository}'`];
}

/** Clones through every way in turns, so that what else the machine does meets all of them alike. */
async function clone(folder: string, key: string, ways: readonly Way[]): Promise<Measured[]> {
  const all = ways.map(({ name }): Measured => ({ name, seconds: [], cpu: [] }));
  const env = { ...gitEnvironment(folder), GIT_SSH_COMMAND: ['ssh', ...options(key)].join(' ') };
  const target = join(folder, 'clone');
  // The first round warms caches and counts for nobody.
  for (let round = -1; round < ROUNDS; round += 1)
    for (const [index, way] of ways.entries()) {
      const before = way.cpu();
      const took = await timed('git', ['clone', '--quiet', '--bare', way.url, target], { env });
      await rm(target, { recursive: true });
      // sshd counts what its children used when it has heard of their end.
      await sleep(200);
      if (round < 0) continue;
      all[index]!.seconds.push(took);
      all[index]!.cpu.push(way.cpu() - before);
    }
  return all;
}

/** Milliseconds from starting ssh to git's first byte. */
async function firstByte(args: readonly string[]): Promise<number> {
  const begin = performance.now();
  const child = start('ssh', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  const took = performance.now() - begin;
  await stop(child);
  return took;
}

interface Held {
  readonly open: number;
  readonly idle: { readonly server: number; readonly child: number };
  readonly busy: { readonly server: number; readonly child: number };
}

/** What the server and its SSH child weigh with many clients that have been greeted by git, or wait for their turn, and stay. */
async function holdOpen(server: Server, child: number, keys: readonly string[], port: number): Promise<Held> {
  await sleep(3000);
  const weigh = () => ({ server: memory(server.pid).main, child: memoryOf(child) });
  const idle = weigh();
  const open: ChildProcess[] = [];
  for (let nth = 0; nth < SESSIONS; nth += 1) {
    const ssh = start('ssh', sshArguments(keys[nth % keys.length]!, port, 'git', 'root/large.git'), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    ssh.stdout?.resume();
    open.push(ssh);
    await sleep(50);
  }
  await sleep(3000);
  const busy = weigh();
  const still = open.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length;
  for (const ssh of open) await stop(ssh);
  return { open: still, idle, busy };
}

interface Results {
  readonly clones: readonly Measured[];
  readonly first: { readonly ours: number[]; readonly sshd: number[] };
  readonly held: Held;
  readonly compared: boolean;
}

function figure({ clones, first, held, compared }: Results): Figure {
  const [ours, ...others] = clones;
  // Two neighbours in one round met the same machine; the median of their ratios forgets a busy moment.
  const ratio = (other: Measured | undefined) =>
    median(ours!.seconds.map((time, round) => time / other!.seconds[round]!));
  const toHttps = ratio(others.at(-1));
  const toSshd = compared ? ratio(others[0]) : Number.NaN;
  const grown = (which: 'server' | 'child') =>
    `${text(held.idle[which])} MB → ${text(held.busy[which])} MB (+${text(held.busy[which] - held.idle[which])})`;
  return {
    letter: 'i',
    title: `Clone of ${MEGABYTES} MB over SSH against sshd with git-upload-pack, and against our HTTPS door`,
    goal: '≤ 1.2 × sshd',
    value: `${text(toSshd, 2)} × sshd, ${text(toHttps, 2)} × our HTTPS door`,
    met: compared ? toSshd <= 1.2 : null,
    table: [
      ['clone', 'seconds, median', 'all rounds', 'CPU seconds of the server side, median'],
      ...clones.map(({ name, seconds, cpu }) => [
        name,
        text(median(seconds), 2),
        seconds.map((one) => text(one, 2)).join(', '),
        text(median(cpu), 2),
      ]),
      [
        'connect to first byte, Keyward',
        `${text(median(first.ours))} ms`,
        `best ${text(Math.min(...first.ours))} ms`,
        '',
      ],
      ...(compared
        ? [
            [
              'connect to first byte, sshd',
              `${text(median(first.sshd))} ms`,
              `best ${text(Math.min(...first.sshd))} ms`,
              '',
            ],
          ]
        : []),
      [`memory with ${held.open} sessions open: server`, grown('server'), '', ''],
      [`memory with ${held.open} sessions open: SSH child`, grown('child'), '', ''],
    ],
    notes: compared
      ? [
          'The client is the same `git` and `ssh` with its own preferences; all ends share the machine. The CPU of the server side counts',
          `git as well, and the whole server. Sessions are spread over ${KEYS} keys; most of them wait for a git of their own.`,
        ]
      : ['sshd is not installed here'],
  };
}
