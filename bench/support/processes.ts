// Processes of a measurement: starts them so that they end with it, and reads from /proc what they cost. Linux only.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a process that is killed at the latest when this one exits. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  running.add(child);
  child.on('close', () => running.delete(child));
  return child;
}

/** Asks a process to end, and waits until it has. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  child.kill('SIGTERM');
  await ended;
}

/** Runs a program to its end. Throws with its error output unless it exits with 0. Answers the seconds that it took. */
export async function timed(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<number> {
  const begin = performance.now();
  const child = start(command, args, options);
  let errors = '';
  child.stdout?.resume();
  child.stderr?.on('data', (chunk) => (errors += chunk));
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args[0]} ended with ${code}: ${errors}`);
  return (performance.now() - begin) / 1000;
}

/** A temporary folder for the length of `work`. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

function statOf(pid: number): { name: string; fields: string[] } | null {
  try {
    const [head = '', tail = ''] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(/\) (?=[A-Za-z] )/);
    return { name: head.split(' (')[1] ?? '', fields: tail.split(' ') };
  } catch {
    return null;
  }
}

/** CPU seconds that a process with all its threads has used (ticks of 10 ms). */
export function cpuSeconds(pid: number): number {
  const fields = statOf(pid)?.fields ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The same with all that its ended children used, once it has heard of their end. */
export function cpuSecondsOfFamily(pid: number): number {
  const fields = statOf(pid)?.fields ?? [];
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / 100;
}

/** The children of a process with their command lines. */
export function children(pid: number): { readonly pid: number; readonly args: string }[] {
  const found: { pid: number; args: string }[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(statOf(Number(name))?.fields[1]) !== pid) continue;
    found.push({ pid: Number(name), args: readFileSync(`/proc/${name}/cmdline`, 'latin1') });
  }
  return found;
}

/** Resident memory of one process in MiB. */
export function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) / 1024;
}

/** Resident memory in MiB: of the process itself, and of it with its Node.js children (the list reader, SSH; not git). */
export function memory(pid: number): { main: number; all: number } {
  const own = (id: number): number => {
    try {
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'latin1'))?.[1] ?? 0) / 1024;
    } catch {
      return 0;
    }
  };
  const main = own(pid);
  let all = main;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat && Number(stat.fields[1]) === pid && !stat.name.startsWith('git')) all += own(Number(name));
  }
  return { main, all };
}

/** Keeps this process, with all threads, on these cores (`0`, `0-7`); false when the system does not let it. */
export async function keepOn(cores: string): Promise<boolean> {
  return timed('taskset', ['-acp', cores, String(process.pid)]).then(
    () => true,
    () => false,
  );
}
