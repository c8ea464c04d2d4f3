// Slow clients of git: places among git's processes are few, and whoever holds one without moving anything gives it up as soon as
// somebody waits for it, whatever door he came by. No address and no key gets more than its share of them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { type Forge, openForge } from '../doors/git-http/forge.ts';
import { pause, say, type Wire } from './wire.ts';

const PATIENCE = { window: 300, least: 16 * 1024 };

describe('a place among git`s processes', () => {
  let forge: Forge;
  let project: Project;
  let users: User[];
  let tokens: string[];

  before(async () => {
    forge = await openForge(undefined, { slots: 2, patience: PATIENCE });
    const group = await forge.world.group({ visibility: 'public' });
    project = await forge.project(group, { visibility: 'public' });
    users = [await forge.world.user({}), await forge.world.user({})];
    tokens = [];
    for (const user of users) {
      await forge.world.member(user, { project }, 40);
      tokens.push(await forge.pat(user, 'api'));
    }
    const tree = await forge.workTree();
    await forge.commit(tree, 'big.bin', randomBytes(24 * 1024 * 1024));
    const pushed = await forge.git(tree, 'push', '-q', forge.remote(project.full_path, 'x', tokens[0]!), 'HEAD:big');
    assert.equal(pushed.code, 0, pushed.out);
  });
  after(() => forge?.close());

  const archive = () => `/api/v4/projects/${project.id}/repository/archive.tar?sha=big`;
  /** Asks for much and reads nothing. */
  async function reader(headers = ''): Promise<Wire> {
    const wire = await say(forge.url);
    wire.socket.pause();
    wire.socket.write(`GET ${archive()} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
    return wire;
  }
  /** Begins a request of git's and sends a letter now and then. */
  async function dribbler(token: string): Promise<{ wire: Wire; stop(): void }> {
    const basic = Buffer.from(`x:${token}`).toString('base64');
    const head =
      `POST /${project.full_path}.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\n` +
      'Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 100000\r\n\r\n0032want ';
    const wire = await say(forge.url, head);
    const drip = setInterval(() => wire.socket.write('a'), 100);
    return { wire, stop: () => clearInterval(drip) };
  }
  const held = () => forge.services.repositories.git.running().stream;
  async function untilHeld(count: number): Promise<void> {
    for (let tries = 0; held() !== count; tries++) {
      assert.ok(tries < 500, `${held()} places are held, not ${count}`);
      await pause(20);
    }
  }

  it('is left to a slow client as long as nobody waits for it', async () => {
    const wire = await reader();
    await untilHeld(1);
    await pause(PATIENCE.window * 4);
    assert.equal(held(), 1);
    wire.socket.destroy();
    await untilHeld(0);
  });

  it('is shared: one address over REST leaves the other place free', async () => {
    const wires = [await reader(), await reader(), await reader()];
    await untilHeld(1);
    const began = performance.now();
    const listed = await forge.git(forge.folder, 'ls-remote', forge.remote(project.full_path, 'x', tokens[1]!));
    assert.equal(listed.code, 0, listed.out);
    assert.ok(performance.now() - began < 5000);
    for (const { socket } of wires) socket.destroy();
    await untilHeld(0);
  });

  it('goes to who waits for it, from one who reads nothing and from one who sends next to nothing', async () => {
    const silent = await reader();
    const slow = await dribbler(tokens[0]!);
    await untilHeld(2);
    const into = await forge.workTree(false);
    const cloned = await forge.git(
      into,
      'clone',
      '-q',
      '-b',
      'big',
      forge.remote(project.full_path, 'x', tokens[1]!),
      'c',
    );
    slow.stop();
    assert.equal(cloned.code, 0, cloned.out);
    silent.socket.destroy();
    slow.wire.socket.destroy();
    await untilHeld(0);
  });

  it('stays with a client that is slow and does move', async () => {
    const steady = await say(forge.url);
    let read = 0;
    steady.socket.on('data', (chunk) => {
      read += chunk.length;
      steady.socket.pause();
      setTimeout(() => steady.socket.resume(), 5);
    });
    const basic = `PRIVATE-TOKEN: ${tokens[0]}\r\n`;
    steady.socket.write(`GET ${archive()} HTTP/1.1\r\nHost: x\r\n${basic}\r\n`);
    await untilHeld(1);
    const silent = await reader();
    await untilHeld(2);
    const waiting = forge.git(forge.folder, 'ls-remote', forge.remote(project.full_path, 'x', tokens[1]!));
    assert.equal((await waiting).code, 0);
    const before = read;
    await pause(200);
    assert.ok(read > before || held() === 0, 'the steady one goes on');
    assert.equal(steady.socket.destroyed, false);
    steady.socket.destroy();
    silent.socket.destroy();
    await untilHeld(0);
  });
});
