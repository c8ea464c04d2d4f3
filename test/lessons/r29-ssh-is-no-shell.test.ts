// Lesson R29 (CVE-2024-39930, CVSS 9.9: a variable sent over SSH became an argument of a program on the server):
// 1. somebody with an SSH key of his own sends command lines that a shell would act on, commands that are on no list, and
//    repository names that are options, climb, or are paths of the server;
// 2. he sends variables that git and the loader listen to, asks for a terminal, a subsystem and a tunnel;
// 3. a program runs, a file appears, or a repository answers that is not his.
// Only the closed list is known, only a sound GIT_PROTOCOL is taken of the variables, and a name is never an option.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openSshForge, type SshForge } from '../support/ssh.ts';

describe('over SSH', () => {
  let forge: SshForge;
  let mallory: Awaited<ReturnType<SshForge['person']>>;
  let witness: string;
  let disk: string;

  before(async () => {
    forge = await openSshForge('ssh2');
    mallory = await forge.person('mallory');
    const victim = await forge.person('victim');
    witness = join(forge.folder, 'witness');
    for (const [who, path] of [
      [mallory, 'mallory/own'],
      [victim, 'victim/private'],
    ] as const) {
      const tree = await forge.workTree();
      const pushed = await forge.git(who.key, tree, 'push', '-q', forge.url(path), 'main');
      assert.equal(pushed.code, 0, pushed.out);
    }
    const { repositories, db } = forge.server.services;
    const theirs = await db.read
      .selectFrom('projects')
      .select('repository_id')
      .where('full_path', '=', 'victim/private')
      .executeTakeFirstOrThrow();
    disk = repositories.path(theirs.repository_id!);
  });
  after(() => forge?.close());

  const say = (line: string, ...options: string[]) => forge.ssh(mallory.key, ...options, '--', line);
  const ADVERTISED = /refs\/heads\/main/;

  test('one`s own repository answers, or the refusals would show nothing', async () => {
    for (const line of ["git-upload-pack 'mallory/own.git'", "git upload-pack '/mallory/own'"])
      assert.match((await say(line)).out, ADVERTISED, line);
  });

  test('no line makes a program run', async () => {
    const touch = `touch ${witness}`;
    for (const line of [
      touch,
      `sh -c '${touch}'`,
      `git-upload-pack 'mallory/own.git'; ${touch}`,
      `git-upload-pack 'mallory/own.git' && ${touch}`,
      `git-upload-pack 'mallory/own.git' | ${touch}`,
      `git-upload-pack 'mallory/own.git'\n${touch}`,
      `git-upload-pack $(${touch})`,
      `git-upload-pack \`${touch}\``,
      `git-upload-pack "$(${touch})"`,
      `git-upload-pack --upload-pack='${touch}' 'mallory/own.git'`,
      `git-upload-archive --exec='${touch}' 'mallory/own.git'`,
      `git -c core.pager='${touch}' upload-pack 'mallory/own.git'`,
      `git --exec-path=${forge.folder} upload-pack 'mallory/own.git'`,
      `git-shell -c '${touch}'`,
      'git-receive-pack-evil x',
      'git config --global core.hooksPath /tmp',
      'git daemon --export-all /',
      'scp -t /tmp',
      'rsync --server . /',
      'git-lfs-transfer mallory/own upload',
      "git-lfs-authenticate 'mallory/own' upload; id",
      `git-lfs-authenticate '--output=${witness}' download`,
    ]) {
      const ran = await say(line);
      assert.notEqual(ran.code, 0, `${line}: ${ran.out}`);
      assert.doesNotMatch(ran.out, ADVERTISED, line);
      assert.doesNotMatch(ran.out, /uid=\d|usage: git/, line);
      assert.ok(!existsSync(witness), line);
    }
  });

  test('no name is an option, a path of the server, or somebody else`s repository', async () => {
    for (const name of [
      '--help',
      '--strict',
      '--timeout=0',
      '-h',
      '--',
      disk,
      `/${disk}`,
      `../..${disk}`,
      'mallory/../victim/private',
      'mallory/own.git/../../victim/private.git',
      'mallory/own/../../../etc',
      '~root/x',
      '~/x',
      'victim/private',
      '.',
      '..',
      '/',
      'mallory',
      'x'.repeat(5000),
    ])
      for (const command of ['git-upload-pack', 'git-receive-pack', 'git-upload-archive']) {
        const ran = await say(`${command} '${name}'`);
        assert.notEqual(ran.code, 0, `${command} ${name}: ${ran.out}`);
        assert.doesNotMatch(ran.out, /refs\/heads\/main|usage: git/, `${command} ${name}`);
      }
  });

  test('no variable reaches a program, and a GIT_PROTOCOL that is none is not taken', async () => {
    for (const variable of [
      `GIT_TRACE=${witness}`,
      `GIT_TRACE2_EVENT=${witness}`,
      `GIT_DIR=${disk}`,
      `GIT_EXEC_PATH=${forge.folder}`,
      `GIT_CONFIG_GLOBAL=${witness}`,
      'GIT_CONFIG_COUNT=1',
      'GIT_NAMESPACE=elsewhere',
      'LD_PRELOAD=/tmp/x.so',
      'NODE_OPTIONS=--require=/tmp/x.js',
      'PATH=/tmp',
      'GIT_PROTOCOL=version=2;touch',
      'GIT_PROTOCOL=$(id)',
      `GIT_PROTOCOL=${'version=2:'.repeat(100)}`,
      'git_protocol=version=2',
      'GIT_PROTOCOL_X=version=2',
    ]) {
      const ran = await say("git-upload-pack 'mallory/own.git'", '-o', `SetEnv=${variable}`);
      assert.match(ran.out, ADVERTISED, `${variable}: version 0 goes on as if nothing had been sent`);
      assert.ok(!existsSync(witness), variable);
    }
    const second = await say("git-upload-pack 'mallory/own.git'", '-o', 'SetEnv=GIT_PROTOCOL=version=2');
    assert.match(second.out, /version 2/);
  });

  test('no terminal, no subsystem and no tunnel are to be had', async () => {
    for (const words of [
      ['-s', 'git@127.0.0.1', 'sftp'],
      ['-W', '127.0.0.1:22', 'git@127.0.0.1'],
    ]) {
      const ran = await forge.ssh(mallory.key, ...words.slice(0, -1), '--', ...(words[0] === '-s' ? ['sftp'] : []));
      assert.notEqual(ran.code, 0, `${words}: ${ran.out}`);
    }
  });
});
