// The cases of test/clients/ssh-cases.ts through Keyward's own SSH server.
import assert from 'node:assert/strict';
import { sshCases } from './ssh-cases.ts';

assert.equal(typeof sshCases, 'function');
sshCases('ssh2');
