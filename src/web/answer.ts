import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ErrorCode } from '../errors.ts'

/** On every answer: nothing is kept, guessed, framed, or read from elsewhere. */
export const commonHeaders = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/** Sends a text; node:http leaves the body out where HEAD was asked. */
export function sendText(
  res: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(text)
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': body.length, ...headers })
  res.end(body)
}

/** Sends a value as JSON. */
export function sendJson(
  res: ServerResponse,
  status: number,
  value: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  sendText(res, status, 'application/json', `${JSON.stringify(value)}\n`, headers)
}

/** Says why not: `{"error":{code,message,hint}}`. */
export function refuse(
  res: ServerResponse,
  status: number,
  code: ErrorCode,
  message: string,
  headers: OutgoingHttpHeaders = {},
  hint = '',
): void {
  sendJson(res, status, { error: { code, message, ...(hint !== '' && { hint }) } }, headers)
}
