/** Totals of the transport that are published as counters: by what each has grown since they were published last. */

export const TOTALS = [
  ["datagramsIn", "tetrad_transport_datagrams_received_total"],
  ["datagramsOut", "tetrad_transport_datagrams_sent_total"],
  ["bytesIn", "tetrad_transport_bytes_received_total"],
  ["bytesOut", "tetrad_transport_bytes_sent_total"],
  ["dropped", "tetrad_transport_datagrams_dropped_total"],
  ["faults", "tetrad_transport_library_faults_total"],
] as const;

export const NOTHING_PUBLISHED: Readonly<Record<(typeof TOTALS)[number][0], number>> = {
  datagramsIn: 0,
  datagramsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  dropped: 0,
  faults: 0,
};
