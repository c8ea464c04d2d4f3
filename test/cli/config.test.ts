// Settings from the environment and keyward.toml: defaults, precedence, and errors that name the setting but no secret.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConfigError, derivedUrl, readConfig } from '../../src/config.ts';

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyward-config-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function problemsOf(env: Record<string, string>, where = folder): string {
  try {
    readConfig(env, where);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  assert.fail('the settings were accepted');
}

describe('settings of a process', () => {
  it('have the documented defaults', () => {
    const config = readConfig({}, folder);
    assert.equal(config.data, join(folder, 'data'));
    assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8080 });
    assert.equal(derivedUrl(config, 8080), 'http://localhost:8080');
    assert.deepEqual(config.sshListen, { host: '127.0.0.1', port: 2222 });
    assert.equal(config.databaseUrl.reveal(), `sqlite:${join(folder, 'data', 'keyward.db')}`);
    assert.equal(config.keys, join(folder, 'data', 'keys'));
    assert.equal(config.rootToken, null);
    assert.deepEqual(config.warnings, []);
  });

  it('come from keyward.toml by their lower-case names, and the environment wins', () => {
    writeFileSync(
      join(folder, 'keyward.toml'),
      'url = "https://forge.example/"\nlisten = "[::1]:9000"\ntrusted_proxies = ["10.0.0.0/8", "::1"]\n',
    );
    try {
      const config = readConfig({ KEYWARD_LISTEN: ':7000' }, folder);
      assert.equal(config.url, 'https://forge.example');
      assert.deepEqual(config.listen, { host: '0.0.0.0', port: 7000 });
      assert.deepEqual(config.trustedProxies, ['10.0.0.0/8', '::1']);
      assert.deepEqual(readConfig({}, folder).listen, { host: '::1', port: 9000 });
    } finally {
      rmSync(join(folder, 'keyward.toml'));
    }
  });

  it('are refused by name, all at once', () => {
    const text = problemsOf({
      KEYWARD_URL: 'https://forge.example/path',
      KEYWARD_LISTEN: 'nowhere',
      KEYWARD_TLS_CERT: '/nonexistent.pem',
      KEYWARD_TRUSTED_PROXIES: '10.0.0.0/99',
      KEYWARD_SMTP_URL: 'smtp://mail.example',
      KEYWARD_RUNNER: 'on',
      KEYWARD_BLOBS: 's3://bucket',
      KEYWARD_DATABASE_URL: 'mysql://x',
    });
    for (const name of ['URL', 'LISTEN', 'TLS_KEY', 'TRUSTED_PROXIES', 'MAIL_FROM', 'RUNNER', 'BLOBS', 'DATABASE_URL'])
      assert.match(text, new RegExp(`KEYWARD_${name} `));
  });

  it('never repeat a secret in an error', () => {
    const text = problemsOf({
      KEYWARD_ROOT_PASSWORD: 'short7!',
      KEYWARD_ROOT_TOKEN: 'too-short-secret',
      KEYWARD_DATABASE_URL: 'mysql://user:hunter2@db',
      KEYWARD_SMTP_URL: 'ftp://user:hunter3@mail',
    });
    assert.doesNotMatch(text, /short7|too-short|hunter/);
    assert.match(text, /KEYWARD_ROOT_TOKEN must be 20 to 300/);
    assert.match(text, /KEYWARD_ROOT_PASSWORD must have at least 8/);
  });

  it('refuse a root token in routable form whose checksum is wrong, and take a fixed one', () => {
    const routable = 'glpat-AAECAwQFBgcICQoLDA0ODw5vOjEKdTox.01.0z0000000';
    assert.match(problemsOf({ KEYWARD_ROOT_TOKEN: routable }), /KEYWARD_ROOT_TOKEN/);
    const config = readConfig({ KEYWARD_ROOT_TOKEN: 'glpat-ABCDEFGHIJKLMNOPQRST' }, folder);
    assert.equal(config.rootToken?.reveal(), 'glpat-ABCDEFGHIJKLMNOPQRST');
    assert.doesNotMatch(JSON.stringify(config), /ABCDEFGH/);
  });

  it('warn about a name that does not exist, and refuse one in the file', () => {
    const { warnings } = readConfig({ KEYWARD_LISTNE: 'x', KEYWARD_TEST_DATABASE_URL: 'x' }, folder);
    assert.deepEqual(warnings, ['KEYWARD_LISTNE is set, but there is no such setting']);
    const path = join(folder, 'other.toml');
    writeFileSync(path, 'listne = "x"\n');
    assert.match(problemsOf({ KEYWARD_CONFIG: path }), /there is no setting "listne"/);
    writeFileSync(path, 'root_password = "hunter2\n');
    assert.doesNotMatch(problemsOf({ KEYWARD_CONFIG: path }), /hunter2/);
    assert.match(problemsOf({ KEYWARD_CONFIG: join(folder, 'missing.toml') }), /KEYWARD_CONFIG: there is no file/);
  });
});
