// SPDX-License-Identifier: Apache-2.0
// Cuts a connection's bytes into up to four pieces; the bytes themselves decide where.
export function cut(bytes) {
  let sum = bytes.length;
  for (let i = 0; i < bytes.length; i += 7) sum = (Math.imul(sum, 31) + bytes[i]) >>> 0;
  if (bytes.length < 2 || sum % 3 === 0) return [bytes];
  const at = [sum % bytes.length, (sum >>> 8) % bytes.length, (sum >>> 16) % bytes.length].sort((a, b) => a - b);
  return [bytes.subarray(0, at[0]), bytes.subarray(at[0], at[1]), bytes.subarray(at[1], at[2]), bytes.subarray(at[2])];
}
