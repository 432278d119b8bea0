/** Talk to the service.  Every address is relative, so the page works behind a path prefix. */
import { key } from "./key.js";

/** The service refused, or could not be reached. */
export class ServiceError extends Error {
  /**
   * @param {string} code the service's short name for it; "unreachable" and "broken" are ours
   * @param {object} more detail (a sentence), fields ({name: [sentences]}), codes ({name: code}),
   *   retryAfter (seconds), id
   */
  constructor(code, more = {}) {
    super(more.detail ?? code);
    this.code = code;
    this.detail = more.detail ?? "";
    this.fields = more.fields ?? {};
    this.codes = more.codes ?? {};
    this.retryAfter = more.retryAfter ?? null;
    this.id = more.id ?? "";
  }
}

/** What is fixed for this server: see PageFacts in app/routes/page.py. */
export function facts() {
  return JSON.parse(document.querySelector('meta[name="indextts-facts"]').content);
}

/** The state of the model; it is told with 503, too. */
export async function health() {
  return (await send("health")).json();
}

/** The stored voices: {details: [{name, language, description}], default: a name or null}. */
export const voices = () => json("v1/audio/voices");

/** The clip of a stored voice, as a Blob. */
export async function sample(voice) {
  const path = `v1/audio/voices/${encodeURIComponent(voice)}/sample`;
  return (await checked(await send(path))).blob();
}

/** Have an order spoken; the body of the answer is a stream of events. */
export async function speak(body, signal) {
  const answer = await send("tts/stream", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(body),
    signal,
  });
  return (await checked(answer)).body;
}

/** The error that a body of the service tells of; both of its shapes are read. */
export function told(body, retryAfter = null) {
  const inner = typeof body?.error === "object" && body.error !== null;
  const { code, detail } = inner
    ? { code: body.error.code, detail: body.error.message }
    : { code: body?.error, detail: body?.detail };
  return new ServiceError(code || "other", {
    detail,
    retryAfter,
    fields: body?.errors,
    codes: body?.codes,
    id: body?.request_id,
  });
}

async function send(path, options = {}) {
  const headers = new Headers(options.headers);
  if (key()) headers.set("Authorization", `Bearer ${key()}`);
  try {
    return await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("unreachable");
  }
}

async function json(path) {
  return (await checked(await send(path))).json();
}

async function checked(answer) {
  if (answer.ok) return answer;
  if (answer.status === 401) throw new ServiceError("unauthorized"); // it has another code under /v1
  const seconds = Number.parseInt(answer.headers.get("Retry-After"), 10);
  const body = await answer.json().catch(() => ({ detail: `HTTP ${answer.status}` }));
  throw told(body, Number.isNaN(seconds) ? null : seconds);
}
