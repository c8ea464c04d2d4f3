// What of a request may be written to a log: never a header, and of the URL no secret (security-lessons: no token in logs).
const SECRET_NAMES =
  /^(?:private_token|access_token|bearer_token|job_token|token|password|secret|.*(?:_token|password|secret))$/i;

/** Short, with no query and nothing that could be a token or a name before an `@`: most of what is asked. */
const PLAIN = /^(?:\/[a-z0-9_]{1,40}){1,20}$/;

/** Whether a parameter of this name carries a secret, so that no URL or log of ours repeats it. */
export function isSecretName(name: string): boolean {
  return SECRET_NAMES.test(name.replace(/\[.*$/s, ''));
}

/** The URL for a log: values of secret parameters are `[FILTERED]`, and anything that looks like a token in the path as well. */
export function loggedUrl(target: string): string {
  if (PLAIN.test(target)) return target;
  const mark = target.indexOf('?');
  const path = (mark === -1 ? target : target.slice(0, mark)).slice(0, 1024);
  const safePath = path.replace(/gl[a-z]{2,5}-[0-9A-Za-z_.-]{10,}/g, '[FILTERED]').replace(/\/\/[^/@]*@/g, '//');
  if (mark === -1) return safePath;
  const query = target
    .slice(mark + 1)
    .split('&')
    .map((part) => {
      const [name = ''] = part.split('=');
      // An escaped name is read by the server too, so it must not hide a secret from this list.
      return /^[\w[\].-]*$/.test(name) && !isSecretName(name) && !/gl[a-z]{2,5}-/.test(part)
        ? part
        : `${name.slice(0, 64)}=[FILTERED]`;
    });
  return `${safePath}?${query.join('&').slice(0, 1024)}`;
}
