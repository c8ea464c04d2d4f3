// How fast is git over SSH? Clones one repository of more than 200 MB through Keyward's SSH door, through Debian's sshd with plain
// git-upload-pack, through the HTTPS door's code and from the file, in turns within one run; measures the way from connecting to
// the first byte, and the memory of the server and its SSH child with 50 sessions open. Only ratios mean something elsewhere.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { openSshForge, type SshForge, type TestKey } from '../test/support/ssh.ts';

const FILES = 210;
const MEGABYTE = 1024 * 1024;
const ROUNDS = Number(process.env['KEYWARD_BENCH_ROUNDS'] ?? 5);
const SESSIONS = 50;

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const seconds = (values: readonly number[]) =>
  `${(median(values) / 1000).toFixed(2)} s (best ${(Math.min(...values) / 1000).toFixed(2)})`;

const forge = await openSshForge('ssh2');
const plain = await startPlainSshd(forge);
try {
  const person = await forge.person('bench');
  const { services } = forge.server;
  // The content is noise: whoever tries to make it smaller only warms the machine.
  const settings = '[safe]\n\tdirectory = *\n[core]\n\tcompression = 0\n[pack]\n\twindow = 0\n';
  await writeFile(join(forge.folder, 'home', '.gitconfig'), settings);
  const tree = await forge.workTree();
  for (let count = 0; count < FILES; count += 1)
    await writeFile(join(tree, `blob-${count}.bin`), randomBytes(MEGABYTE));
  await forge.commit(tree);
  const project = await forge.server.api('POST', '/projects', { token: person.token, body: { name: 'big' } });
  const https = `${forge.server.url.replace('://', `://bench:${person.token}@`)}/bench/big.git`;
  must(await forge.git(person.key, tree, 'push', '-q', https, 'main'));
  const row = await services.db.read
    .selectFrom('projects')
    .select('repository_id')
    .where('id', '=', project.body.id)
    .executeTakeFirstOrThrow();
  const bare = services.repositories.path(row.repository_id!);
  const authorized = `${person.key.line}\n`;
  await writeFile(join(forge.folder, 'authorized_keys'), authorized, { mode: 0o600 });
  const sources = {
    'Keyward SSH': forge.url('bench/big.git'),
    "Debian's sshd": `ssh://${userInfo().username}@127.0.0.1:${plain.port}${bare}`,
    'Keyward HTTPS door': https,
    'file://': `file://${bare}`,
  };
  const times = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [name, url] of Object.entries(sources)) {
      const copy = join(forge.folder, 'copy');
      const began = performance.now();
      await clone(person.key, url, copy);
      const took = performance.now() - began;
      times.set(name, [...(times.get(name) ?? []), took]);
      process.stderr.write(`${name}: ${took.toFixed(0)} ms\n`);
      await rm(copy, { recursive: true, force: true });
    }
  console.log(`clone of ${FILES} MB, ${ROUNDS} rounds, median:`);
  const of = (name: keyof typeof sources) => times.get(name)!;
  for (const [name, all] of times) console.log(`  ${name.padEnd(20)} ${seconds(all)}`);
  const ratio = (name: keyof typeof sources, to: keyof typeof sources) => {
    // Two neighbours in one round met the same machine; the median of their ratios forgets a busy moment.
    const pairs = of(name).map((time, index) => time / of(to)[index]!);
    console.log(`  ${name} / ${to}: ${median(pairs).toFixed(2)}`);
  };
  ratio('Keyward SSH', "Debian's sshd");
  ratio('Keyward SSH', 'Keyward HTTPS door');
  ratio('Keyward HTTPS door', 'file://');

  const first: Record<string, number[]> = { ours: [], sshd: [] };
  for (let round = 0; round < 10; round += 1) {
    first['ours']!.push(await firstByte(person.key, forge.port, 'git', "git-upload-pack 'bench/big.git'"));
    first['sshd']!.push(await firstByte(person.key, plain.port, userInfo().username, `git-upload-pack '${bare}'`));
  }
  const [ours, theirs] = [median(first['ours']!), median(first['sshd']!)];
  console.log(
    `connect to first byte: ${ours.toFixed(0)} ms, sshd ${theirs.toFixed(0)} ms (${(ours / theirs).toFixed(2)})`,
  );

  const child = childOf(process.pid);
  const memory = async () => [await rss(process.pid), await rss(child)] as const;
  const [serverIdle, childIdle] = await memory();
  const open: ChildProcess[] = [];
  let begun = 0;
  for (let count = 0; count < SESSIONS; count += 1) {
    // git waits for wants; half of the sessions would be queued for a slot, and are sessions all the same.
    const held = forge.hold(person.key, "git-upload-pack 'bench/big.git'");
    held.stdout?.once('data', () => (begun += 1));
    open.push(held);
    if (count % 5 === 4) await pause(500);
  }
  await pause(5000);
  const [serverBusy, childBusy] = await memory();
  const alive = open.filter((one) => one.exitCode === null).length;
  console.log(
    `${alive} sessions open (git runs for ${begun}): server ${serverIdle} -> ${serverBusy} MB, SSH child ${childIdle} -> ${childBusy} MB`,
  );
  for (const one of open) one.kill();
} finally {
  await plain.stop();
  await forge.close();
}

function must(ran: { readonly code: number; readonly out: string }): void {
  if (ran.code !== 0) throw new Error(ran.out);
}

function sshOptions(key: TestKey): string[] {
  return [
    ...['-F', '/dev/null', '-T', '-i', key.path, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
  ];
}

async function clone(key: TestKey, url: string, copy: string): Promise<void> {
  const command = ['ssh', ...sshOptions(key)].join(' ');
  const env = { PATH: process.env['PATH'], HOME: join(forge.folder, 'home'), GIT_SSH_COMMAND: command };
  const child = spawn('git', ['clone', '-q', '--bare', url, copy], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`git clone ended with ${code}`);
}

/** Milliseconds from starting ssh to git's first byte. */
async function firstByte(key: TestKey, port: number, login: string, command: string): Promise<number> {
  const began = performance.now();
  const child = spawn('ssh', [...sshOptions(key), '-p', `${port}`, `${login}@127.0.0.1`, command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const took = performance.now() - began;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
  return took;
}

/** Megabytes that a process holds. */
async function rss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}

function childOf(pid: number): number {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(pid)], { encoding: 'utf8' }).split('\n');
  return Number.parseInt(lines.find((line) => line.includes('ssh2-child')) ?? '', 10);
}

/** Debian's sshd with nothing but keys: whoever signs in runs git-upload-pack himself. */
async function startPlainSshd({ folder }: SshForge): Promise<{ port: number; stop(): Promise<void> }> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  const hostKey = join(folder, 'plain_host_key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  await copyFile(`${hostKey}.pub`, join(folder, 'known'));
  if (userInfo().uid === 0) execFileSync('mkdir', ['-p', '/run/sshd']);
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
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  await pause(500);
  return {
    port,
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}
