// Which texts are LFS pointers (the git-lfs specification): what git-lfs writes is one, and what only resembles it is a file.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parsePointer } from '../../src/repositories/lfs-pointer.ts';

const OID = '0123456789abcdef'.repeat(4);
const VERSION = 'version https://git-lfs.github.com/spec/v1\n';
const POINTER = `${VERSION}oid sha256:${OID}\nsize 12345\n`;
const parse = (text: string) => parsePointer(Buffer.from(text, 'latin1'));

it('a pointer names its object and its size, with extensions before', () => {
  assert.deepEqual(parse(POINTER), { oid: OID, size: 12345 });
  const extended = `${VERSION}ext-0-foo sha256:${'f'.repeat(64)}\next-1-bar x\noid sha256:${OID}\nsize 0\n`;
  assert.deepEqual(parse(extended), { oid: OID, size: 0 });
});

it('a pointer has less than 1024 bytes', () => {
  const filled = (length: number) => {
    const rest = `oid sha256:${OID}\nsize 12345\n`;
    return `${VERSION}ext-0-x ${'y'.repeat(length - VERSION.length - rest.length - 9)}\n${rest}`;
  };
  assert.equal(filled(1023).length, 1023);
  assert.notEqual(parse(filled(1023)), null);
  assert.equal(parse(filled(1024)), null);
});

it('what only resembles a pointer is none', () => {
  const no = [
    '',
    VERSION,
    POINTER.slice(0, -1),
    ` ${POINTER}`,
    `\u00ef\u00bb\u00bf${POINTER}`,
    `${POINTER}\n`,
    `${POINTER}and more\n`,
    POINTER.replaceAll('\n', '\r\n'),
    POINTER.replace('spec/v1', 'spec/v2'),
    POINTER.replace('sha256:', 'md5:'),
    POINTER.replace(OID, OID.toUpperCase()),
    POINTER.replace(OID, OID.slice(1)),
    POINTER.replace(OID, '../../../../etc/passwd'),
    POINTER.replace('12345', '-1'),
    POINTER.replace('12345', '1e9'),
    POINTER.replace('12345', '9'.repeat(16)),
    `${VERSION}size 12345\noid sha256:${OID}\n`,
    `${POINTER}size 12345\n`,
    `${VERSION}oid sha256:${OID}\n`,
    `oid sha256:${OID}\nsize 12345\n${VERSION}`,
  ];
  for (const text of no) assert.equal(parse(text), null, JSON.stringify(text));
});
