// Outgoing mail, against a mail server that listens on a real port: what arrives, what happens while it is away, and that its
// password is told to nobody.
import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, describe, it } from 'node:test';
import { Secret } from '../../src/kernel/secret.ts';
import { createMailer, readMail } from '../../src/mail/smtp.ts';
import { enqueue } from '../../src/tasks/enqueue.ts';
import { startServer } from '../support/server.ts';

interface MailServer {
  readonly url: string;
  readonly received: string[];
  refuse: boolean;
  close(): Promise<void>;
}

/** The few words of SMTP (RFC 5321) that a client needs, spoken by a real socket. */
async function startMailServer(): Promise<MailServer> {
  const received: string[] = [];
  const server: Server = createServer((socket) => {
    let data: string[] | null = null;
    let rest = '';
    const say = (line: string) => socket.write(`${line}\r\n`);
    say('220 mail.test ESMTP');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest += chunk.toString('utf8');
      for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        if (data !== null) {
          if (line === '.') {
            received.push(data.join('\n'));
            data = null;
            say('250 taken');
          } else data.push(line);
        } else if (/^EHLO/i.test(line)) socket.write('250-mail.test\r\n250 AUTH PLAIN\r\n');
        else if (/^AUTH/i.test(line)) say(mail.refuse ? '535 5.7.8 wrong' : '235 welcome');
        else if (/^DATA/i.test(line)) {
          data = [];
          say('354 go on');
        } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else say('250 ok');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const mail: MailServer = {
    url: `smtp://keyward:hunter2@127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    refuse: false,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return mail;
}

describe('outgoing mail', () => {
  const cleanups: (() => Promise<void>)[] = [];
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  it('arrives with sender, subject and text, and says that it is automatic', async () => {
    const mail = await startMailServer();
    cleanups.push(mail.close);
    const mailer = await createMailer(new Secret(mail.url), 'Keyward <keyward@example.com>');
    await mailer.send({ to: 'alice@example.com', subject: 'Your key', text: 'expires soon' });
    mailer.close();
    assert.equal(mail.received.length, 1);
    for (const part of [
      /^From: Keyward <keyward@example.com>$/m,
      /^To: alice@example.com$/m,
      /^Subject: Your key$/m,
      /^Auto-Submitted: auto-generated$/m,
      /^expires soon$/m,
    ])
      assert.match(mail.received[0]!, part);
  });

  it('tells what went wrong without address and password', async () => {
    const mail = await startMailServer();
    cleanups.push(mail.close);
    mail.refuse = true;
    const mailer = await createMailer(new Secret(mail.url), 'keyward@example.com');
    await assert.rejects(mailer.send({ to: 'a@example.com', subject: 's', text: 't' }), (error: Error) => {
      assert.match(error.message, /did not take the mail: EAUTH 535/);
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /hunter2/);
      return true;
    });
    mailer.close();
  });

  it('cannot be steered by line breaks in what people typed', async () => {
    const mail = await startMailServer();
    cleanups.push(mail.close);
    const mailer = await createMailer(new Secret(mail.url), 'keyward@example.com');
    await mailer.send({ to: 'alice@example.com', subject: 'x\r\nBcc: eve@example.com', text: 't' });
    mailer.close();
    assert.doesNotMatch(mail.received[0]!, /^Bcc:/m);
    assert.throws(() => readMail({ to: 'a@example.com', subject: 1, text: 't' }), /needs to, subject and text/);
  });

  it('is sent by the running server, and waits in the tasks table while no mail server is named', async () => {
    const mail = await startMailServer();
    cleanups.push(mail.close);
    const payload = { to: 'alice@example.com', subject: 'From the server', text: 'hello' };
    const silent = await startServer();
    cleanups.push(silent.stop);
    const { db, clock } = silent.services;
    await db.tx((tx) => enqueue(tx, { kind: 'mail', payload, now: clock.now() }));
    await silent.runTasks();
    const waiting = await db.read
      .selectFrom('tasks')
      .select(['payload', 'attempts'])
      .where('kind', '=', 'mail')
      .execute();
    assert.deepEqual(
      waiting.map((row) => [JSON.parse(row.payload).subject, row.attempts]),
      [['From the server', 0]],
    );

    const sending = await startServer({
      env: { KEYWARD_SMTP_URL: mail.url, KEYWARD_MAIL_FROM: 'keyward@example.com' },
    });
    cleanups.push(sending.stop);
    const house = sending.services;
    await house.db.tx((tx) => enqueue(tx, { kind: 'mail', payload, now: house.clock.now() }));
    const deadline = performance.now() + 5000;
    while (mail.received.length === 0 && performance.now() < deadline)
      await new Promise((next) => setTimeout(next, 20));
    assert.match(mail.received[0] ?? '', /Subject: From the server/);
  });
});
