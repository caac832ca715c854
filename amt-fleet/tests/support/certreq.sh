#!/bin/sh
# Stands in for certreq.exe (and, called certutil, for `certutil -ping`): AD CS whose template wants a manager's approval. What is submitted
# lies in the folder adcs beside it until a test puts <id>.cer and <id>.p7b (issued) or <id>.denied there.
here=$(dirname "$0")
ca="$here/adcs"
mkdir -p "$ca"
line=$(basename "$0")
for argument; do line="$line|$argument"; done
printf '%s\n' "$line" >> "$ca/calls"
fail() {
    printf 'Certificate Request Processor: %s\n' "$1"
    exit "$2"
}
verb=$1
shift
config= template= force=
if [ "$(basename "$0")" = certutil ]; then
    if [ "$verb|$2|$3" = "-config|-ping|" ] && [ "$1" = 'CA1.example.com\Example Issuing CA' ] && [ ! -e "$ca/down" ]; then
        printf 'Connecting to %s ...\r\nServer "Example Issuing CA" ICertRequest2 interface is alive (0ms)\r\n' "$1"
        exit 0
    fi
    printf 'CertUtil: -ping command FAILED: 0x800706ba (WIN32: 1722 RPC_S_SERVER_UNAVAILABLE)\r\n'
    exit 186
fi
while :; do
    case $1 in
        -f) force=1 ;;
        -q) ;;
        -config) shift; config=$1 ;;
        -attrib) shift; template=$1 ;;
        -*) fail "Unknown arg: $1 0x80070057 (WIN32: 87 ERROR_INVALID_PARAMETER)" 87 ;;
        *) break ;;
    esac
    shift
done
if [ -e "$ca/down" ] || [ "$config" != 'CA1.example.com\Example Issuing CA' ]; then
    fail 'The RPC server is unavailable. 0x800706ba (WIN32: 1722 RPC_S_SERVER_UNAVAILABLE)' 186
fi
ids() {
    printf 'RequestId: %s\r\nRequestId: "%s"\r\n' "$1" "$1"
}
case $verb in
-submit)
    grep -q 'BEGIN.*CERTIFICATE REQUEST' "$1" || fail 'ASN1 bad tag value met. 0x8009310b (ASN: 267 CRYPT_E_ASN1_BADTAG)' 11
    certificate=$2 chain=$3
    id=$(($(cat "$ca/last" 2>/dev/null || echo 16) + 1))
    echo "$id" > "$ca/last"
    cp "$1" "$ca/$id.req"
    ids "$id"
    if [ "$template" != CertificateTemplate:AMTWebServer ]; then
        printf 'Certificate not issued (Denied) Denied by Policy Module  0x80094800, The request was for a certificate template that is not '
        printf 'supported by the Active Directory Certificate Services policy: %s.\r\n' "${template#*:}"
        fail 'The requested certificate template is not supported by this CA. 0x80094800 (-2146875392 CERTSRV_E_UNSUPPORTED_CERT_TYPE)' 0
    fi
    ;;
-retrieve)
    id=$1 certificate=$2 chain=$3
    if [ ! -e "$ca/$id.req" ]; then
        fail 'The requested property value is empty. 0x80094004 (-2146877436 CERTSRV_E_PROPERTY_EMPTY)' 4
    fi
    ids "$id"
    ;;
*) fail 'The parameter is incorrect. 0x80070057 (WIN32: 87 ERROR_INVALID_PARAMETER)' 87 ;;
esac
if [ -e "$ca/$id.denied" ]; then
    printf 'Certificate not issued (Denied) Denied by EXAMPLE\\carla  0x80094014, %s\r\n' "$(cat "$ca/$id.denied")"
elif [ -e "$ca/$id.cer" ]; then
    # Without -f the program asks before it writes over a file, and nobody answers.
    if [ -e "$certificate" ] && [ -z "$force" ]; then sleep 600; fi
    cp "$ca/$id.cer" "$certificate"
    cp "$ca/$id.p7b" "$chain"
    echo response > "${certificate%.cer}.rsp"
    printf 'Certificate retrieved(Issued) Issued  0x80094004, The certificate validity period is shorter than the template says.\r\n'
else
    printf 'Certificate request is pending: Taken Under Submission (0)\r\n'
fi
