// The tour of test/clients/ssh-tour.ts through Debian's sshd.
import assert from 'node:assert/strict';
import { sshTour } from './ssh-tour.ts';

assert.equal(typeof sshTour, 'function');
sshTour('openssh');
