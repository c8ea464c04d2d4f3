// The cases of test/clients/ssh-cases.ts through Debian's sshd, with `keyward ssh-authorized-keys` and `keyward ssh-command`.
import assert from 'node:assert/strict';
import { sshCases } from './ssh-cases.ts';

assert.equal(typeof sshCases, 'function');
sshCases('openssh');
