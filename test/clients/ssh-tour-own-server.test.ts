// The tour of test/clients/ssh-tour.ts through Keyward's own SSH server.
import assert from 'node:assert/strict';
import { sshTour } from './ssh-tour.ts';

assert.equal(typeof sshTour, 'function');
sshTour('ssh2');
