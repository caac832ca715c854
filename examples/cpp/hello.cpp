// Says what is in a hello: the message that a machine waiting for its setup sends to port 9971.
#include "example.hpp"

#include <iomanip>

static int decode(const std::vector<std::string> &arguments)
{
    const auto wire = read_file(arguments[0]);
    Handle<amt_hello, amt_hello_free> hello;
    Error err;
    must(amt_hello_parse(wire.data(), wire.size(), out(hello), err), err);

    std::uint32_t kind, algorithm;
    must(amt_hello_kind(hello.get(), &kind, err), err);
    std::cout << "machine " << text(hello, amt_hello_uuid) << " waits for a "
              << (kind == AMT_HELLO_PSK ? "pre-shared key" : "provisioning certificate") << '\n';

    std::size_t roots, len;
    must(amt_hello_root_count(hello.get(), &roots, err), err);
    for (std::size_t at = 0; at < roots; at++) {
        const std::uint8_t *hash;
        must(amt_hello_root(hello.get(), at, &algorithm, &hash, &len, err), err);
        std::cout << "  trusts the root " << std::hex << std::setfill('0');
        for (std::size_t byte = 0; byte < len; byte++) {
            std::cout << std::setw(2) << unsigned(hash[byte]);
        }
        std::cout << std::dec << '\n';
    }
    return 0;
}

int main(int argc, char **argv) { return example(argc, argv, "hello FILE", decode); }
