// Sends the mails that rooms leave in the tasks table, over SMTP. It knows no reason for any mail and writes none itself; a mail
// that cannot be sent now stays a task and is tried again.
import { Secret } from '../kernel/secret.ts';
import type { InstanceKeys, Sealed } from '../storage/instance-keys.ts';

/** What a `mail` task carries. The text never contains a secret: one with a link for its reader alone is sealed beside it. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /** Hands one mail to the server. Throws with the server's answer code, and without its address or password. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

/** Reads a task's payload. Throws when it is no mail. */
export function readMail(payload: unknown): Mail {
  const { to, subject, text } = (payload ?? {}) as Partial<Record<keyof Mail, unknown>>;
  if (typeof to !== 'string' || typeof subject !== 'string' || typeof text !== 'string')
    throw new Error('a mail task needs to, subject and text');
  return { to, subject, text };
}

const SEALED_TEXT = 'This mail holds a link for its reader alone, so what it says is sealed.';

const contextOf = (to: string): string => `mail to ${to}`;

/** The payload of a mail whose text holds a secret: who reads the tasks table, or the list of waiting mails, sees none of it. */
export function sealMail(keys: InstanceKeys, mail: Mail): Mail & Sealed {
  return { ...mail, text: SEALED_TEXT, ...keys.seal(contextOf(mail.to), new Secret(mail.text)) };
}

/** Reads a task's payload as it is to be sent. Throws when it is no mail, or its seal cannot be opened here. */
export function openMail(keys: InstanceKeys, payload: unknown): Mail {
  const mail = readMail(payload);
  const { sealed, keyId } = payload as Partial<Sealed>;
  if (sealed === undefined || keyId === undefined) return mail;
  return { ...mail, text: keys.open(contextOf(mail.to), { sealed, keyId }).reveal() };
}

/** A mailer over the server of `url` (`smtp://user:password@host:587`, `smtps://…`), sending from `from`. */
export async function createMailer(url: Secret, from: string): Promise<Mailer> {
  // Loaded only where mails are sent: it brings 40 modules, and by naming node:http all of undici.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport(
    { url: url.reveal(), pool: true, maxConnections: 2, connectionTimeout: 20_000, socketTimeout: 60_000 },
    { from },
  );
  return {
    async send(mail) {
      try {
        // Automatic mail says so, or out-of-office robots answer it (RFC 3834).
        await transport.sendMail({ ...mail, headers: { 'Auto-Submitted': 'auto-generated' } });
      } catch (error) {
        const { code, responseCode } = error as { code?: string; responseCode?: number };
        throw new Error(`the mail server did not take the mail: ${[code, responseCode].filter(Boolean).join(' ')}`);
      }
    },
    close: () => transport.close(),
  };
}
