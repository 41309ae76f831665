import type { LogStream } from './log.ts'

/**
 * The log format of Kubernetes' container runtimes (CRI): `2026-11-21T06:10:36.123000000Z stdout F text`. Tag P: the line
 * goes on in the next entry of the same stream; F: it ends here.
 */
export type Tag = 'P' | 'F'

/** Bytes of text in one entry at most; as containerd cuts them. */
export const pieceBytes = 16 * 1024

/** Bytes of the longest head of an entry. */
export const headBytes = 40

/** All streams of a log. */
export const streams: readonly LogStream[] = ['stdout', 'stderr', 'gupper']

/** The time now as entries have it: RFC 3339, UTC, nine digits of which the clock knows three. */
export function entryTime(): string {
  return `${new Date().toISOString().slice(0, 23)}000000Z`
}

/** What stands before an entry's text, with its space. */
export function entryHead(time: string, stream: LogStream, tag: Tag): string {
  return `${time} ${stream} ${tag} `
}

/** The head of an entry that was read. */
export interface Head {
  /** RFC 3339, UTC, with milliseconds. */
  time: string
  stream: LogStream
  tag: Tag
  /** Where the text begins. */
  length: number
}

const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})\d{6}Z (stdout|stderr|gupper) ([PF]) /

/**
 * Reads the head of an entry.
 * @param from where in `bytes` the entry begins
 * @returns undefined when none is there
 */
export function readHead(bytes: Buffer, from: number): Head | undefined {
  const [all, time, stream, tag] = form.exec(bytes.toString('latin1', from, from + headBytes)) ?? []
  if (all === undefined || time === undefined) return undefined
  return { time: `${time}Z`, stream: stream as LogStream, tag: tag as Tag, length: all.length }
}
