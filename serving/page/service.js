// What is asked of the service over HTTP, and what went wrong where it does not answer.

const PATIENCE = 3; // times that a busy service is asked again

let token = ""; // kept in memory alone

/** Says who asks, from now on: a service may want a token. */
export function identify(given) {
  token = given;
}

/** Why there is no answer: `again` where the same may yet succeed, `locked` where a token is wanted. */
export class Failure extends Error {
  constructor(message, hint, again = false, locked = false) {
    super(message);
    Object.assign(this, { hint, again, locked });
  }
}

/** The service's JSON. Throws a Failure where there is none. */
export async function ask(address, options = {}) {
  const { reply, body } = await reach(address, options);
  if (reply.ok && body) return body;
  const again = reply.ok || reply.status >= 500 || reply.status === 429 || reply.status === 408;
  const { message, hint } = body?.error ?? {};
  if (message) throw new Failure(message, hint ?? "", again, reply.status === 401);
  throw new Failure(`the service failed with status ${reply.status}`, "try again in a moment", again);
}

async function reach(address, options) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  for (let turn = 0; ; turn += 1) {
    let reply;
    try {
      reply = await fetch(address, { ...options, headers });
      if (reply.status !== 429 || turn === PATIENCE) return { reply, body: await parsed(reply) };
    } catch {
      throw new Failure("the service does not answer", "see whether it runs, and try again", true);
    }
    const seconds = Math.min(Number(reply.headers.get("Retry-After")) || 1, 10);
    await new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });
  }
}

async function parsed(reply) {
  const text = await reply.text(); // fails where the connection is cut
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The whole answer about one file. */
export async function detect(file, signal) {
  await readable(file);
  const form = new FormData();
  form.append("audio", file, file.name);
  return ask("predict?timeline=1&picture=1", { method: "POST", body: form, signal });
}

/** A folder, or a file that is gone, would look as if the service did not answer. */
async function readable(file) {
  try {
    const reader = file.stream().getReader();
    await reader.read();
    await reader.cancel();
  } catch {
    throw new Failure("this cannot be read", "choose sound files that are still there, not folders");
  }
}
