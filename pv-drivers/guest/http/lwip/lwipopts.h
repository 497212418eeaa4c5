// SPDX-License-Identifier: MIT
//
// lwIP as the HTTP guest uses it: IPv4, ARP, ICMP, DHCP and TCP in one thread, all memory set aside at link
// time, and what is not needed left out, fragments among it.
#pragma once

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_RAW 0
#define LWIP_IPV6 0
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define DHCP_DOES_ARP_CHECK 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define LWIP_STATS 0
#define LWIP_NETIF_STATUS_CALLBACK 1

#define MEM_ALIGNMENT 8
#define MEM_SIZE (3 << 20)                   // what is on its way out, copied
#define MEMP_NUM_TCP_PCB 192                 // with those that wait for their end
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG 4096
#define MEMP_NUM_PBUF 256
#define PBUF_POOL_SIZE 512                   // what has come in
#define PBUF_POOL_BUFSIZE 1536

#define TCP_MSS 1460
#define TCP_WND 8192                         // a request, and the segments around its end
#define TCP_SND_BUF (44 * TCP_MSS)
#define TCP_SND_QUEUELEN 256
#define TCP_LISTEN_BACKLOG 1
#define TCP_QUEUE_OOSEQ 1
#define LWIP_TCP_SACK_OUT 0

// Numbers that nobody outside can foretell.
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) http_random()
