// Reading SSH public keys: what ssh-keygen writes is taken, with its length and fingerprints; everything bent is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { parseSshKey } from '../../src/credentials/ssh-key.ts';
import { keyPolicyError } from '../../src/credentials/ssh-key-policy.ts';
import { defaultSettings } from '../../src/settings/settings.ts';
import { newSshKeyText } from '../support/world.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyward-ssh-key-'));
after(() => rmSync(folder, { recursive: true }));

function keygen(type: string, bits: number): { text: string; md5: string; sha256: string } {
  const file = join(mkdtempSync(join(folder, `${type}-`)), 'key');
  execFileSync('ssh-keygen', ['-q', '-t', type, '-b', String(bits), '-N', '', '-C', 'ci host', '-f', file]);
  const print = (hash: string) =>
    execFileSync('ssh-keygen', ['-E', hash, '-lf', `${file}.pub`], { encoding: 'utf8' }).split(' ')[1]!;
  return { text: readFileSync(`${file}.pub`, 'utf8'), md5: print('md5'), sha256: print('sha256') };
}

function part(bytes: Buffer | string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(bytes));
  return Buffer.concat([length, Buffer.from(bytes)]);
}

const line = (algorithm: string, ...parts: (Buffer | string)[]) =>
  `${algorithm} ${Buffer.concat(parts.map(part)).toString('base64')}`;

describe('an SSH public key', () => {
  for (const [type, bits] of [
    ['ed25519', 256],
    ['rsa', 2048],
    ['ecdsa', 256],
    ['ecdsa', 384],
    ['ecdsa', 521],
  ] as const)
    it(`of type ${type} with ${bits} bits is read as ssh-keygen wrote it`, () => {
      const { text, md5, sha256 } = keygen(type, bits);
      const read = parseSshKey(`  ${text}  `);
      assert.ok(read.ok);
      assert.equal(read.value.text, text.trim());
      assert.equal(read.value.type, type);
      assert.equal(read.value.bits, bits);
      assert.equal(`MD5:${read.value.md5}`, md5);
      assert.equal(`SHA256:${read.value.sha256}`, sha256);
    });

  it('on a security token is read by its own type', () => {
    const ed25519 = parseSshKey(
      line('sk-ssh-ed25519@openssh.com', 'sk-ssh-ed25519@openssh.com', Buffer.alloc(32, 7), 'ssh:'),
    );
    assert.ok(ed25519.ok);
    assert.deepEqual([ed25519.value.type, ed25519.value.bits], ['ed25519_sk', 256]);
  });

  it('that is bent in any way is invalid', () => {
    const sound = newSshKeyText('ci');
    const [algorithm, blob] = sound.split(' ') as [string, string];
    const bytes = Buffer.from(blob, 'base64');
    const { text: rsa } = keygen('rsa', 1024);
    const ecdsa = Buffer.from(keygen('ecdsa', 256).text.split(' ')[1]!, 'base64');
    ecdsa[ecdsa.length - 1]! ^= 1;
    const bent = {
      'a second line': `${sound}\n${newSshKeyText()}`,
      'a carriage return': `${sound}\rx`,
      'a NUL': `${algorithm} ${blob} a\u0000b`,
      'a tab for the space': `${algorithm}\t${blob}`,
      options: `command="id" ${sound}`,
      'no blob': algorithm,
      'another type before the blob': `ssh-rsa ${blob}`,
      'a blob of another type': `ssh-ed25519 ${rsa.split(' ')[1]}`,
      'bytes behind the key': `${algorithm} ${Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64')}`,
      'a blob cut short': `${algorithm} ${bytes.subarray(0, -1).toString('base64')}`,
      'no point': line('ssh-ed25519', 'ssh-ed25519'),
      'a length beyond the blob': `${algorithm} ${Buffer.concat([bytes.subarray(0, 15), Buffer.alloc(36, 0xff)]).toString('base64')}`,
      'a point of 31 bytes': line('ssh-ed25519', 'ssh-ed25519', Buffer.alloc(31, 1)),
      'a point off the curve': `ecdsa-sha2-nistp256 ${ecdsa.toString('base64')}`,
      'a curve of another name': line('ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256', 'nistp384', Buffer.alloc(65, 4)),
      'base64 that is not canonical': `${algorithm} ${blob.slice(0, -1)}`,
      'base64 for URLs': `${algorithm} ${blob.replace(/.$/, '_')}`,
      'a negative modulus': line('ssh-rsa', 'ssh-rsa', Buffer.from([3]), Buffer.alloc(256, 0xff)),
      'an even modulus': line('ssh-rsa', 'ssh-rsa', Buffer.from([3]), Buffer.alloc(256, 0x42)),
      'an exponent of one': line('ssh-rsa', 'ssh-rsa', Buffer.from([1]), Buffer.alloc(256, 0x41)),
      'a padded modulus': line('ssh-rsa', 'ssh-rsa', Buffer.from([3]), Buffer.alloc(256, 0x41).fill(0, 0, 2)),
      'a modulus of 20000 bits': line('ssh-rsa', 'ssh-rsa', Buffer.from([3]), Buffer.alloc(2500, 0x41)),
      'a certificate': line('ssh-ed25519-cert-v01@openssh.com', 'ssh-ed25519-cert-v01@openssh.com', Buffer.alloc(32)),
      'a private key': '-----BEGIN OPENSSH PRIVATE KEY-----',
      'the name of a property of objects': line('constructor', 'constructor'),
    };
    for (const [what, text] of Object.entries(bent)) {
      const read = parseSshKey(text);
      assert.ok(!read.ok, what);
      assert.match(read.error, /is invalid/, what);
    }
    assert.deepEqual(parseSshKey(' \n'), { ok: false, error: "can't be blank" });
    const long = parseSshKey(`${sound} ${'x'.repeat(5000)}`);
    assert.deepEqual(long, { ok: false, error: 'is too long (maximum is 5000 characters)' });
  });

  it('is taken by type and length as the settings say, never DSA and never RSA below 1024 bits', () => {
    const policy = (type: Parameters<typeof keyPolicyError>[1]['type'], bits: number, settings = {}) =>
      keyPolicyError({ ...defaultSettings, ...settings }, { type, bits });
    assert.equal(policy('ed25519', 256), null);
    assert.equal(policy('rsa', 1024), null);
    assert.equal(policy('rsa', 1023), 'must be at least 1024 bits');
    assert.equal(policy('rsa', 2048, { rsa_key_restriction: 3072 }), 'must be at least 3072 bits');
    assert.equal(
      policy('dsa', 1024, { dsa_key_restriction: 0 }),
      'type is forbidden. Must be RSA, ECDSA, ED25519, ECDSA_SK, or ED25519_SK',
    );
    const onlyEd25519 = {
      rsa_key_restriction: -1,
      ecdsa_key_restriction: -1,
      ecdsa_sk_key_restriction: -1,
      ed25519_sk_key_restriction: -1,
    };
    assert.equal(policy('rsa', 4096, onlyEd25519), 'type is forbidden. Must be ED25519');
    assert.equal(policy('ed25519', 256, onlyEd25519), null);
  });
});
