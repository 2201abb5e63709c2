// SPDX-License-Identifier: GPL-2.0

unsigned int rnfs4_helper_xdr_stream_remaining(const struct xdr_stream *xdr)
{
	return xdr_stream_remaining(xdr);
}

void rnfs4_helper_xdr_set_scratch_buffer(struct xdr_stream *xdr, void *buf, size_t len)
{
	xdr_set_scratch_buffer(xdr, buf, len);
}

void rnfs4_helper_rpc_set_port(struct sockaddr *sap, unsigned short port)
{
	rpc_set_port(sap, port);
}

unsigned short rnfs4_helper_rpc_get_port(const struct sockaddr *sap)
{
	return rpc_get_port(sap);
}

bool rnfs4_helper_rpc_cmp_addr_port(const struct sockaddr *a, const struct sockaddr *b)
{
	return rpc_cmp_addr_port(a, b);
}
