// SPDX-License-Identifier: GPL-2.0

unsigned int rnfs4_helper_xdr_stream_remaining(const struct xdr_stream *xdr)
{
	return xdr_stream_remaining(xdr);
}
