// What a start costs is what it loads: the modules that a server on SQLite has no use for stay out, and compiled code is used from
// the very first module on.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';

const launch = createRequire(import.meta.url)('../../bin/launch') as {
  environment(env: NodeJS.ProcessEnv, cwd: string): NodeJS.ProcessEnv;
};
const SERVER = new URL('../../src/server.ts', import.meta.url).href;
const WRITER = new URL('../../src/storage/sqlite/writer-thread.ts', import.meta.url).href;
const VARIABLE = new URL('../../src/kernel/compile-cache.ts', import.meta.url).href;

async function newFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-start-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function run(program: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'], ...env } });
  return stdout;
}

test('the server loads no database client, mailer, SSH or schema library that it may not need', async () => {
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({ load(url, context, next) {
      const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1];
      if (name) loaded.add(name);
      return next(url, context);
    } });
    await import(${JSON.stringify(SERVER)});
    console.log(JSON.stringify([...loaded]));
    process.exit(0);`;
  const loaded = JSON.parse(await run(program)) as string[];
  assert.ok(loaded.includes('fastify') && loaded.includes('kysely'), 'the modules were seen');
  for (const name of ['typebox', 'pg', 'nodemailer', 'ssh2', 'undici']) assert.ok(!loaded.includes(name), name);
});

test('a launched process keeps compiled code in the data folder once there is one', async (context) => {
  const folder = await newFolder(context);
  const data = join(folder, 'data');
  assert.deepEqual(launch.environment({ KEYWARD_DATA: data }, folder), { KEYWARD_DATA: data });
  await mkdir(join(data, 'tmp'), { recursive: true });
  const kept = join(data, 'tmp/compile-cache');
  assert.equal(launch.environment({ KEYWARD_DATA: data }, '/')['NODE_COMPILE_CACHE'], kept);
  assert.equal(
    launch.environment({}, folder)['NODE_COMPILE_CACHE'],
    kept,
    'the data folder of a server without settings',
  );
});

test('the writer thread runs from compiled code the second time', async (context) => {
  const folder = await newFolder(context);
  // Node.js' compiler for TypeScript is loaded only by who has something to compile.
  const inside = `
    import { parentPort } from 'node:worker_threads';
    await import(${JSON.stringify(WRITER)});
    parentPort.postMessage({ compiler: process.moduleLoadList.some((name) => /amaro/.test(name)) });`;
  const program = `
    import { Worker } from 'node:worker_threads';
    const { compileCacheVariable } = await import(${JSON.stringify(VARIABLE)});
    const worker = new Worker(${JSON.stringify(inside)}, {
      eval: true, workerData: { path: process.env.FILE }, env: compileCacheVariable(),
    });
    worker.on('message', ({ compiler }) => {
      if (compiler === undefined) return;
      console.log(compiler);
      worker.postMessage('close');
    });`;
  const env = { NODE_COMPILE_CACHE: join(folder, 'cache'), FILE: join(folder, 'file.db') };
  assert.equal((await run(program, env)).trim(), 'true');
  assert.equal((await run(program, env)).trim(), 'false');
});
